/** Lines of the session log in the store: kept for so long as they say, in their order. */
import { expect, test } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { redisHarness } from '../conformance/redis-harness.ts';
import { SHARD, udp } from '../conformance/scenario.ts';
import { startRedis } from '../testing/start-redis.ts';
import { SHARD_TAGS } from './keys.ts';
import type { RedisFlowStore } from './redis-store.ts';

const KEEP_MS = 60_000;

test('are there for keepMs after they came, and the stream goes with the last', async () => {
  const server = await startRedis();
  const harness = await redisHarness(server.url, config, { shards: [SHARD] });
  const store = harness.store as RedisFlowStore;
  const key = `l:{${SHARD_TAGS[SHARD]}}`;
  const lines = async () => {
    const entries = await harness.redis.xrange(key, '-', '+');
    return entries.map(([, fields]) => fields[1]);
  };
  const record = (...texts: string[]) =>
    store.record(texts.map((line) => ({ inside: udp(), line, keepMs: KEEP_MS })));
  // Streams are trimmed by whole nodes: as many as fill some.
  const early = Array.from({ length: 500 }, (_, i) => `{"n":${i}}`);
  expect(await record(...early)).toBe(true);
  expect(await lines()).toEqual(early);
  await harness.advance(KEEP_MS + 1);
  await record('{"n":"late"}');
  const left = await lines();
  expect(left.at(-1)).toBe('{"n":"late"}');
  expect(left.length).toBeLessThan(120);
  const ttlMs = await harness.redis.pttl(key);
  expect(ttlMs).toBeGreaterThan(0);
  expect(ttlMs).toBeLessThanOrEqual(KEEP_MS);
  await harness.end();
  await server.stop();
});
