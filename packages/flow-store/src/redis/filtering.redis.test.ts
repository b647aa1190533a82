import { afterAll, beforeAll } from 'vitest';
import { filteringConformance } from '../conformance/filtering.ts';
import { redisHarness } from '../conformance/redis-harness.ts';
import { SHARD } from '../conformance/scenario.ts';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server.stop();
});

filteringConformance('Redis', (config) => redisHarness(server.url, config, { shards: [SHARD] }));
