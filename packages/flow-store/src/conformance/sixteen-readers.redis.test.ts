/**
 * Sixteen gateways that read a shard's feed while it is written as fast as one client can: none
 * misses an event, and all hear them in the same order.
 */
import { ANY_PORT, type SocketAddress, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import type { FeedEvent, FeedTail, FlowStore } from '../contract.ts';
import { connectRedisStore } from '../redis/connect.ts';
import { startRedis } from '../testing/start-redis.ts';
import { CONFORMANCE_CONFIG as config } from './harness.ts';
import { created, GATEWAY_1, insideOf, JUST_NOW, POOL, SHARD } from './scenario.ts';

const READERS = 16;
const FLOWS = 512;
const BATCH = 8;
/** Every second flow is ended again. */
const EVENTS = FLOWS + FLOWS / 2;

const nameOf = ({ address, port }: SocketAddress) => `${address.join('.')}:${port}`;

async function readOnce(store: FlowStore, reader: number, last: FeedTail | null) {
  const incarnation = (reader + 1).toString(16).padStart(16, '0');
  const [result] = await store.feed([{ shard: SHARD, incarnation, last, nonce: reader }]);
  return result!;
}

/** Opens, and cancels every second one; gives the outside endpoints in the order of the events. */
async function write(store: FlowStore): Promise<string[]> {
  const told: string[] = [];
  for (let first = 0; first < FLOWS; first += BATCH) {
    const results = await store.open(
      Array.from({ length: BATCH }, (_, i) => ({
        inside: insideOf(UDP, 0, `198.18.${(first + i) >> 8}.${(first + i) & 255}`),
        remote: null,
        proposal: { address: POOL, port: ANY_PORT },
        incarnation: GATEWAY_1,
        nonce: first + i,
        seen: JUST_NOW,
        replaces: null,
      })),
    );
    const entries = results.map((result) => created(result!));
    told.push(...entries.map(({ outside }) => nameOf(outside)));
    const ended = entries.filter((_, i) => i % 2 === 1);
    await store.close(
      ended.map(({ inside, binding: { identity } }) => {
        return { inside, remote: null, identity, reason: 'cancel' as const };
      }),
    );
    told.push(...ended.map(({ outside }) => nameOf(outside)));
  }
  return told;
}

it('miss no event and hear all in the same order', async () => {
  const server = await startRedis();
  const connect = () => connectRedisStore({ url: server.url, config, callTimeoutMs: 30_000 });
  const writer = await connect();
  await writer.initialise('new');
  let isWritten = false;
  const read = async (reader: number, store: FlowStore, last: FeedTail): Promise<FeedEvent[]> => {
    const events: FeedEvent[] = [];
    let tail = last;
    for (;;) {
      const mayBeLast = isWritten;
      const result = await readOnce(store, reader, tail);
      if (result.kind !== 'events') throw new Error(`reader ${reader} found a ${result.kind}`);
      events.push(...result.events);
      tail = result.tail;
      if (mayBeLast && !result.more) return events;
    }
  };
  const stores = await Promise.all(Array.from({ length: READERS }, connect));
  // The first read begins at the feed's end.
  const tails = await Promise.all(
    stores.map(async (store, reader) => (await readOnce(store, reader, null)).tail),
  );
  const readings = stores.map((store, reader) => read(reader, store, tails[reader]!));
  const told = await write(writer);
  isWritten = true;
  const heard = await Promise.all(readings);
  expect(told).toHaveLength(EVENTS);
  for (const events of heard) {
    const openings = events.filter((event) => event.kind !== 'lease');
    expect(openings.map(({ outside }) => nameOf(outside))).toEqual(told);
    expect(events).toEqual(heard[0]);
  }
  await Promise.all([writer, ...stores].map((store) => store.end()));
  await server.stop();
}, 60_000);
