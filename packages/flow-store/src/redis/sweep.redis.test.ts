/** The sweep on a server in trouble. */
import { IN_DATA, OUT_DATA } from '@flowstore/flow';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { type RedisHarness, redisHarness } from '../conformance/redis-harness.ts';
import { Scenario, SHARD, seen, udp } from '../conformance/scenario.ts';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';

const UDP_LIFE_MS = 495_000;

let server: TestRedis;
let harness: RedisHarness;
let scenario: Scenario;
beforeAll(async () => {
  server = await startRedis();
  harness = await redisHarness(server.url, config, { shards: [SHARD] });
  scenario = new Scenario(harness);
});
afterAll(async () => {
  await harness.redis.config('SET', 'maxmemory', '0');
  await harness.end();
  await server.stop();
});

/** One that REDIS_URL names is not ours to fill. */
const testWithOwnServer = test.skipIf(Boolean(process.env.REDIS_URL));

testWithOwnServer('where memory is full the sweep runs: it is what frees it', async () => {
  const { binding } = await scenario.bound(udp());
  await harness.advance(UDP_LIFE_MS);
  await harness.redis.config('SET', 'maxmemory', '1');
  const data = seen(OUT_DATA | IN_DATA);
  const touched = scenario.touch(udp(), null, binding.identity, data);
  await expect(touched).rejects.toThrow('OOM');
  expect(await scenario.sweep()).toMatchObject({ bindingsDeleted: 1, leasesExpired: 1 });
});
