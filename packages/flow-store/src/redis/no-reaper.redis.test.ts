/**
 * An hour without any reaper: TTLs bound the memory, and leases come back by themselves. Shard time
 * is virtual here and TTLs run in real time, so the test lets them run by as much.
 */
import { UDP } from '@flowstore/flow';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { type RedisHarness, redisHarness } from '../conformance/redis-harness.ts';
import { GATEWAY_1, GATEWAY_2, POOL, Scenario, SHARD, udp } from '../conformance/scenario.ts';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';
import { metaKey } from './keys.ts';

const HOUR_MS = 3_600_000;
/** Two heartbeats: a longer silence would begin a grace. */
const STEP_MS = 2 * config.heartbeatMs;
const FLOWS = 8;
/** Of an outside address and protocol in one shard. */
const BLOCKS = 63;

let server: TestRedis;
let harness: RedisHarness;
let scenario: Scenario;
beforeAll(async () => {
  server = await startRedis();
  harness = await redisHarness(server.url, config, { shards: [SHARD] });
  scenario = new Scenario(harness);
});
// What is dead and not swept goes by its TTL in here, which the harness takes for a loss.
beforeEach(() => harness.reset());
afterAll(async () => {
  await harness.reset();
  await harness.end();
  await server.stop();
});

/** Shard time and every TTL of the shard, while GATEWAY_2 lives on. */
async function pass(ms: number): Promise<void> {
  const { redis, store } = harness;
  const tag = metaKey(SHARD).slice('s:'.length);
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    const keys = await redis.keysBuffer(`*${tag}*`);
    const ttls = await Promise.all(keys.map((key) => redis.pttl(key)));
    await Promise.all(keys.map((key, i) => redis.pexpire(key, ttls[i]! - STEP_MS)));
    await harness.advance(STEP_MS);
    await store.feed([{ shard: SHARD, incarnation: GATEWAY_2, last: null, nonce: 1 }]);
  }
}

async function leaseAll(): Promise<number> {
  const request = { shard: SHARD, protocol: UDP, address: POOL, incarnation: GATEWAY_2, start: 0 };
  const [result] = await harness.store.lease([{ ...request, blocks: BLOCKS }]);
  return result?.kind === 'granted' ? result.blocks.length : 0;
}

test('what a dead gateway leased goes to others after its lease and a quarantine', async () => {
  for (let n = 0; n < FLOWS; n++) await scenario.bound(udp(n), { incarnation: GATEWAY_1 });
  expect(await leaseAll()).toBe(BLOCKS - FLOWS);
  await pass(config.leaseMs + STEP_MS);
  // Being asked for begins the quarantine of their ports.
  expect(await leaseAll()).toBe(0);
  await pass(config.quarantineMs + 2 * STEP_MS);
  expect(await leaseAll()).toBe(BLOCKS);
  expect(await harness.redis.keys('{??}*')).toHaveLength(FLOWS);
});

test('an hour without a reaper leaves nothing of what died', async () => {
  for (let n = 0; n < FLOWS; n++) await scenario.bound(udp(n), { incarnation: GATEWAY_1 });
  await leaseAll();
  const sizes = async () => {
    const keys = await Promise.all(['{??}*', 'p:*'].map((kind) => harness.redis.keys(kind)));
    return keys.map(({ length }) => length);
  };
  expect(await sizes()).toEqual([FLOWS, BLOCKS]);
  await pass(HOUR_MS);
  expect(await sizes()).toEqual([0, 0]);
  expect(await leaseAll()).toBe(BLOCKS);
}, 60_000);
