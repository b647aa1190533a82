import { afterAll, beforeAll } from 'vitest';
import { CONFORMANCE_CONFIG } from '../conformance/harness.ts';
import { redisHarness } from '../conformance/redis-harness.ts';
import { conformance } from '../conformance/suite.ts';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server.stop();
});

conformance('Redis', () => redisHarness(server.url, CONFORMANCE_CONFIG));
