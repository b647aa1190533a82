/** The sweep on a server in trouble, and what it does in more than one call. */
import { IN_DATA, OUT_DATA, UDP } from '@flowstore/flow';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { type RedisHarness, redisHarness } from '../conformance/redis-harness.ts';
import { created, insideOf, portOf, Scenario, SHARD, seen, udp } from '../conformance/scenario.ts';
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
  await harness.redis.config('SET', 'maxmemory', '0');
});

test('subscribers are counted anew some at a time, whatever changes meanwhile', async () => {
  await harness.reset();
  const unlimited = await harness.connect({ ...config, bindingsPerSubscriberMax: 0 });
  const openings = [];
  for (let n = 0; n < 12; n++) {
    const block = await scenario.lease(UDP);
    for (let port = 0; port < 16; port++) {
      const inside = insideOf(UDP, port, `198.18.3.${n}`);
      openings.push(scenario.opening(inside, { proposal: portOf(block, port) }));
    }
  }
  const [later, sooner] = [openings.slice(0, 24), openings.slice(24)];
  // Nobody counts these.
  const bound = (await unlimited.open(sooner)).map((result) => created(result!));
  await unlimited.end();
  let calls = 0;
  for (let counted = 0; counted === 0; calls++) {
    const { recounts, nextDueMs } = await scenario.sweep(1);
    counted = recounts;
    if (counted === 0) expect(nextDueMs).toBe(0);
    // In blocks that were counted, and in others.
    await scenario.store.open(later.splice(0, 8));
    const ended = [...bound.splice(0, 2), ...bound.splice(-2)];
    for (const { inside, binding } of ended) {
      expect((await scenario.close(inside, null, binding.identity)).kind).toBe('closed');
    }
  }
  expect(calls).toBeGreaterThan(2);
  await harness.check();
  expect(await harness.redis.keys('n:{??}')).toEqual([]);
});
