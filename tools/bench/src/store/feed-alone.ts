/**
 * The feed by itself: batches of 64 events at a pace that openings can't reach here, appended by
 * the feed's own Lua part (feed-append.lua), while sixteen readers read all shards' feeds by the
 * feed's own script. They look at bytes, not at events: what counts is what the server does.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { SHARDS } from '@flowstore/flow';
import {
  loadScript,
  metaKey,
  packBatch,
  packPolicy,
  parseScript,
  readPart,
  unpackBatch,
} from '@flowstore/flow-store/testing';
import { Redis } from 'ioredis';
import { READERS } from './feed.ts';
import { CONFIG, type StoreServer } from './store-server.ts';

/** Events told per second. */
export const PACE = 100_000;
const BATCH = 64;
/** 'v', protocol, outside with its length, an empty remote endpoint, below. */
const EVENT_BYTES = 18;
const TICK_MS = 10;
/** A gateway reads every 5 s. */
const READ_EVERY_MS = 1_000;
const POLICY = packPolicy(CONFIG);

export interface FeedAloneFigures {
  readonly events: number;
  readonly eventsPerS: number;
  /** CPU of the server per event, appending and all that was read of it included. */
  readonly serverUs: number;
  /** Events that some reader did not hear, and readers that heard other bytes than the first. */
  readonly missed: number;
  readonly disordered: number;
}

type Call = (key: string, policy: Buffer, batch: Buffer) => Promise<Buffer>;

interface Tail {
  readonly id: Buffer;
  /** tag(4) grace(6), as answered. */
  readonly rest: Buffer;
}

function scriptOf(redis: Redis, name: string, lua: string): Call {
  redis.defineCommand(name, { numberOfKeys: 1, lua });
  const call = (redis as unknown as Record<string, Call>)[`${name}Buffer`]!;
  return call.bind(redis);
}

export async function measureFeedAlone(
  server: StoreServer,
  durationMs: number,
): Promise<FeedAloneFigures> {
  await server.renew();
  const readers = Array.from({ length: READERS }, (_, n) => new Reader(server, n));
  // The first read begins at the feed's end.
  await Promise.all(readers.map((reader) => reader.readAll()));
  let isWritten = false;
  let writtenMs = 0;
  let events = 0;
  const cost = await server.cost(1, async () => {
    const startMs = performance.now();
    const readings = readers.map((reader) => reader.follow(() => isWritten));
    events = await append(server, durationMs);
    writtenMs = performance.now() - startMs;
    isWritten = true;
    await Promise.all(readings);
  });
  const orders = readers.map((reader) => reader.order());
  for (const reader of readers) reader.end();
  return {
    events,
    eventsPerS: (events / writtenMs) * 1_000,
    serverUs: cost.serverUs / events,
    missed: readers.reduce((sum, { heard }) => sum + events - heard, 0),
    disordered: orders.filter((order) => order !== orders[0]).length,
  };
}

/** At the pace, or as fast as the server takes them. Gives how many. */
async function append({ redis }: StoreServer, durationMs: number): Promise<number> {
  const text = readFileSync(new URL('./feed-append.lua', import.meta.url), 'utf8');
  const call = scriptOf(redis, 'feedAppend', parseScript('feed-append.lua', text, readPart).lua);
  let events = 0;
  const startMs = performance.now();
  for (;;) {
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs >= durationMs) return events;
    const due = Math.floor(((elapsedMs / 1_000) * PACE) / BATCH) * BATCH;
    const calls: Promise<Buffer>[] = [];
    for (; events < due; events += BATCH) {
      const request = Buffer.alloc(8);
      request.writeUInt16BE(BATCH);
      request.writeUIntBE(events, 2, 6);
      const shard = (events / BATCH) % SHARDS;
      calls.push(call(metaKey(shard), POLICY, packBatch([request])));
    }
    await Promise.all(calls);
    await sleep(TICK_MS);
  }
}

class Reader {
  heard = 0;
  readonly #redis: Redis;
  readonly #feed: Call;
  readonly #incarnation: Buffer;
  readonly #tails = new Array<Tail | null>(SHARDS).fill(null);
  readonly #orders = Array.from({ length: SHARDS }, () => createHash('sha1'));

  constructor({ url }: StoreServer, n: number) {
    this.#redis = new Redis(url, { protocol: 2 });
    this.#feed = scriptOf(this.#redis, 'feedRead', loadScript('feed').lua);
    this.#incarnation = Buffer.from((n + 1).toString(16).padStart(16, '0'), 'hex');
  }

  order(): string {
    return this.#orders.map((order) => order.digest('hex')).join();
  }

  end(): void {
    this.#redis.disconnect();
  }

  /** Reads until there is no more, once all is written. */
  async follow(isWritten: () => boolean): Promise<void> {
    for (;;) {
      const mayBeLast = isWritten();
      const more = await this.readAll();
      if (mayBeLast && !more) return;
      if (!more) await sleep(READ_EVERY_MS);
    }
  }

  /** All shards once; whether there is more. */
  async readAll(): Promise<boolean> {
    const more = await Promise.all(this.#tails.map((_, shard) => this.#read(shard)));
    return more.includes(true);
  }

  async #read(shard: number): Promise<boolean> {
    const last = this.#tails[shard] ?? null;
    // incarnation(8) nonce(4) grace(6) tag(4), then the id with its length in front.
    const { id, rest } = last ?? { id: Buffer.alloc(0), rest: Buffer.alloc(10) };
    const [tag, grace] = [rest.subarray(0, 4), rest.subarray(4)];
    const head = Buffer.concat([this.#incarnation, Buffer.alloc(4), grace, tag]);
    const request = Buffer.concat([head, Buffer.from([id.length]), id]);
    const [reply] = unpackBatch(await this.#feed(metaKey(shard), POLICY, packBatch([request])));
    return this.#hear(shard, reply!, last !== null);
  }

  /** Code (0: events), tail: id with its length, tag(4) grace(6); inGrace(1) more(1) events. */
  #hear(shard: number, reply: Buffer, isFollowing: boolean): boolean {
    const isGap = reply[0] !== 0;
    if (isGap && isFollowing) throw new Error(`shard ${shard}: a gap`);
    const restAt = 2 + reply[1]!;
    const [id, rest] = [reply.subarray(2, restAt), reply.subarray(restAt, restAt + 10)];
    this.#tails[shard] = { id: Buffer.from(id), rest: Buffer.from(rest) };
    if (isGap) return false;
    const events = reply.subarray(restAt + 12);
    this.heard += events.length / EVENT_BYTES;
    this.#orders[shard]!.update(events);
    return reply[restAt + 11] === 1;
  }
}
