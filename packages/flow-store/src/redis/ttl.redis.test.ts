/**
 * TTLs are the backstop for a reaper that is away: they must never end what is still in use. Shard
 * time is virtual here and TTLs run in real time, so the test lets them run by as much.
 */
import { IN_DATA, OUT_DATA } from '@flowstore/flow';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { type RedisHarness, redisHarness } from '../conformance/redis-harness.ts';
import { Scenario, SHARD, seen, tcp, udp, WEB } from '../conformance/scenario.ts';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';
import { metaKey } from './keys.ts';

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
  await harness.end();
  await server.stop();
});

/** Shard time and every TTL of the shard. */
async function pass(ms: number): Promise<void> {
  const { redis } = harness;
  const tag = metaKey(SHARD).slice('s:'.length);
  for (const key of await redis.keysBuffer(`*${tag}*`)) {
    await redis.pexpire(key, (await redis.pttl(key)) - ms);
  }
  await harness.advance(ms);
}

test('a flow that is touched is kept however long it lives, and its block with it', async () => {
  const data = seen(OUT_DATA | IN_DATA);
  const query = await scenario.bound(udp());
  const web = await scenario.bound(tcp());
  const touchWeb = () => scenario.touch(tcp(), WEB, web.flow!.identity, data);
  // The handshake: from here on the longer timeout holds.
  await pass(1_000);
  expect(await touchWeb()).toMatchObject({ kind: 'merged' });
  for (let step = 1; step <= 90; step++) {
    await pass(100_000);
    const touched = await scenario.touch(udp(), null, query.binding.identity, data);
    expect(touched).toMatchObject({ kind: 'merged' });
    if (step % 24 === 0) expect(await touchWeb()).toMatchObject({ kind: 'merged' });
    await harness.check();
  }
});

test('a flow that joins a binding keeps it as long as it lives itself', async () => {
  await scenario.bound(tcp(1));
  for (let step = 1; step <= 4; step++) {
    await pass(200_000);
    const remote = { ...WEB, port: 8_000 + step };
    expect(await scenario.open(tcp(1), { remote })).toMatchObject({ kind: 'created' });
    await harness.check();
  }
});
