/**
 * Sixteen gateways that read all feeds while bindings are opened as fast as this machine can: what
 * the server spends on it, and whether each reader heard every event, in the order of the others.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SHARDS, UDP } from '@flowstore/flow';
import { connectRedisStore, type FeedResult, type FeedTail } from '@flowstore/flow-store';
import { type BenchFlow, flowsOfShard, numbersByShard } from './endpoints.ts';
import { INCARNATION, inBatches, open, openRequest } from './operations.ts';
import { CONFIG, type StoreServer } from './store-server.ts';

export const READERS = 16;
const BATCH = 64;
const PER_SHARD_MAX = 512;
/** Gateways read every 5 s; so often there is always something to read, as at full speed. */
const READ_EVERY_MS = 100;
const CALL_TIMEOUT_MS = 30_000;

export interface FeedFigures {
  readonly events: number;
  readonly eventsPerS: number;
  /** CPU of the server per event, its opening and all that was read of it included. */
  readonly serverUs: number;
  /** The same with nobody who reads. */
  readonly unreadUs: number;
  /** Events that some reader did not hear, and readers that heard another order than the first. */
  readonly missed: number;
  readonly disordered: number;
  /** From the last opening until the last reader had heard of it. */
  readonly behindMs: number;
}

type Reader = Awaited<ReturnType<typeof newReader>>;

export async function measureFeed(server: StoreServer, perShard: number): Promise<FeedFigures> {
  const count = Math.min(perShard, PER_SHARD_MAX);
  const events = SHARDS * count;
  const numbers = numbersByShard(UDP, count);
  const all = numbers.map((some, shard) => flowsOfShard(shard, UDP, some));
  await begin(server, count);
  const unread = await server.cost(events, () => write(server, all));
  await begin(server, count);
  const readers = await Promise.all(
    Array.from({ length: READERS }, (_, n) => newReader(server, n)),
  );
  let isWritten = false;
  let writtenMs = 0;
  let behindMs = 0;
  const cost = await server.cost(events, async () => {
    const startMs = performance.now();
    const readings = readers.map((reader) => follow(reader, () => isWritten));
    await write(server, all);
    writtenMs = performance.now() - startMs;
    isWritten = true;
    await Promise.all(readings);
    behindMs = performance.now() - startMs - writtenMs;
  });
  await Promise.all(readers.map(({ store }) => store.end()));
  const orders = readers.map(({ orders }) => orders.map((order) => order.digest('hex')).join());
  return {
    events,
    eventsPerS: (events / writtenMs) * 1_000,
    serverUs: cost.serverUs,
    unreadUs: unread.serverUs,
    missed: readers.reduce((sum, { heard }) => sum + events - heard, 0),
    disordered: orders.filter((order) => order !== orders[0]).length,
    behindMs,
  };
}

async function begin(server: StoreServer, perShard: number): Promise<void> {
  await server.renew();
  for (let shard = 0; shard < SHARDS; shard++) {
    await server.lease(shard, UDP, INCARNATION, perShard);
  }
}

async function write(
  { store }: StoreServer,
  all: readonly (readonly BenchFlow[])[],
): Promise<void> {
  for (const flows of all) {
    await inBatches(flows.map(openRequest), BATCH, (batch) => open(store, batch));
  }
}

/** Begins at the end of each feed. */
async function newReader({ url }: StoreServer, n: number) {
  const store = await connectRedisStore({ url, config: CONFIG, callTimeoutMs: CALL_TIMEOUT_MS });
  const reader = {
    store,
    incarnation: (n + 1).toString(16).padStart(16, '0'),
    tails: new Array<FeedTail | null>(SHARDS).fill(null),
    orders: Array.from({ length: SHARDS }, () => createHash('sha1')),
    heard: 0,
  };
  await read(reader);
  return reader;
}

/** Reads until there is no more, once all is written. */
async function follow(reader: Reader, isWritten: () => boolean): Promise<void> {
  for (;;) {
    const mayBeLast = isWritten();
    const more = await read(reader);
    if (mayBeLast && !more) return;
    if (!more) await sleep(READ_EVERY_MS);
  }
}

/** All shards once; whether there is more. */
async function read(reader: Reader): Promise<boolean> {
  const { store, incarnation, tails, orders } = reader;
  const requests = tails.map((last, shard) => ({ shard, incarnation, last, nonce: 1 }));
  let more = false;
  for (const [shard, result] of (await store.feed(requests)).entries()) {
    const { tail, ...heard } = answered(result);
    if (heard.kind === 'gap' && tails[shard] !== null) throw new Error(`shard ${shard}: a gap`);
    tails[shard] = tail;
    if (heard.kind === 'gap') continue;
    more ||= heard.more;
    // Leases are told, too: what is counted are openings.
    const openings = heard.events.filter((event) => event.kind !== 'lease');
    reader.heard += openings.length;
    for (const { outside } of openings) {
      orders[shard]!.update(`${outside.address.join('.')}:${outside.port} `);
    }
  }
  return more;
}

function answered(result: FeedResult | null): FeedResult {
  if (result === null) throw new Error('a read of a feed was not answered');
  return result;
}
