/** Replicas that lag, or left: what a gateway goes on by gets no answer until they are back. */
import { SHARDS } from '@flowstore/flow';
import { Redis } from 'ioredis';
import { afterEach, expect, test, vi } from 'vitest';
import { CONFORMANCE_CONFIG, type Harness } from '../conformance/harness.ts';
import { GATEWAY_1, Scenario, SHARD, udp } from '../conformance/scenario.ts';
import { type FeedRequest, StoreUnavailable } from '../contract.ts';
import { isolateMaster } from '../testing/isolate.ts';
import type { ServerProcess } from '../testing/server-process.ts';
import { startCluster } from '../testing/start-cluster.ts';
import { startSentinel } from '../testing/start-sentinel.ts';
import { connectRedisStore } from './connect.ts';
import { SHARD_TAGS, SLOTS, slotOfTag } from './keys.ts';
import type { RedisFlowStore } from './redis-store.ts';

const config = { ...CONFORMANCE_CONFIG, minReplicas: 1 };
const PATIENCE = { timeout: 30_000, interval: 50 };
let ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
});

const urlOf = ({ port }: ServerProcess) => `redis://127.0.0.1:${port}`;

async function connect(url: string): Promise<RedisFlowStore> {
  const store = await connectRedisStore({ url, config, callTimeoutMs: 2_000 });
  ends.push(() => store.end());
  return store;
}

const scenarioOf = (store: RedisFlowStore) => new Scenario({ store } as unknown as Harness);

function reads(shards: readonly number[]): FeedRequest[] {
  return shards.map((shard) => ({ shard, incarnation: GATEWAY_1, last: null, nonce: 1 }));
}

/** Whether each shard's read was answered. */
async function isHeard(store: RedisFlowStore, shards: readonly number[]): Promise<boolean[]> {
  const results = await store.feed(reads(shards)).catch(() => shards.map(() => null));
  return results.map((result) => result !== null);
}

test('a frozen replica: grants and heartbeats count for nothing, until it is back', async () => {
  const { master, replicas, stop } = await startSentinel();
  ends.push(stop);
  const store = await connect(urlOf(master));
  const scenario = scenarioOf(store);
  await store.initialise('new');
  const block = await scenario.lease(17);
  expect(await isHeard(store, [SHARD])).toEqual([true]);
  process.kill(replicas[0]!.pid, 'SIGSTOP');
  await expect(store.feed(reads([SHARD]))).rejects.toThrow('0 of 1 replicas have it');
  const range = { shard: SHARD, protocol: 17, address: block.address, blocks: 1, start: 0 };
  const leased = store.lease([{ ...range, incarnation: GATEWAY_1 }]);
  await expect(leased).rejects.toThrow(StoreUnavailable);
  expect(store.stats).toMatchObject({ unreplicated: 2, failed: 0, inFlight: 0 });
  expect(await scenario.find(udp())).toEqual({ kind: 'no' });
  process.kill(replicas[0]!.pid, 'SIGCONT');
  await vi.waitUntil(async () => (await isHeard(store, [SHARD]))[0], PATIENCE);
});

test('what packets wait for does not queue behind what waits for replicas', async () => {
  const { master, replicas, stop } = await startSentinel();
  ends.push(stop);
  const store = await connect(urlOf(master));
  await store.initialise('new');
  process.kill(replicas[0]!.pid, 'SIGSTOP');
  const answered: string[] = [];
  const slow = isHeard(store, [SHARD]).then(() => answered.push('feed'));
  await scenarioOf(store).find(udp());
  answered.push('find');
  await slow;
  expect(answered).toEqual(['find', 'feed']);
});

test('scripts that the server forgot are sent again, and counted by replicas too', async () => {
  const { master, stop } = await startSentinel();
  ends.push(stop);
  const store = await connect(urlOf(master));
  expect(await isHeard(store, [SHARD, SHARD + 1])).toEqual([true, true]);
  const admin = new Redis({ host: '127.0.0.1', port: master.port, protocol: 2 });
  await admin.script('FLUSH');
  admin.disconnect();
  expect(await isHeard(store, [SHARD, SHARD + 1])).toEqual([true, true]);
});

test('Cluster: where one master’s replica is away, its shards alone have no answer', async () => {
  const cluster = await startCluster({ replicas: 1 });
  ends.push(() => cluster.stop());
  const store = await connect(cluster.url);
  await store.initialise('new');
  const all = [...Array(SHARDS).keys()];
  expect(await isHeard(store, all)).toEqual(all.map(() => true));
  process.kill(cluster.replicas[1]!.pid, 'SIGSTOP');
  const masterOf = (shard: number) => Math.floor((3 * slotOfTag(SHARD_TAGS[shard]!)) / SLOTS);
  expect(await isHeard(store, all)).toEqual(all.map((shard) => masterOf(shard) !== 1));
  process.kill(cluster.replicas[1]!.pid, 'SIGCONT');
  await vi.waitUntil(async () => (await isHeard(store, all)).every(Boolean), PATIENCE);
});

test('an old master that is still believed grants nothing; the new one does', async () => {
  const { url, master, stop } = await startSentinel({ replicas: 2 });
  ends.push(stop);
  const believer = await connect(urlOf(master));
  const others = await connect(url);
  await believer.initialise('new');
  const { outside } = await scenarioOf(believer).bound(udp());
  expect(await isHeard(believer, [SHARD])).toEqual([true]);
  await isolateMaster(master);
  await vi.waitUntil(async () => (await isHeard(others, [SHARD]))[0], PATIENCE);
  expect(await isHeard(believer, [SHARD])).toEqual([false]);
  await expect(scenarioOf(believer).lease(17)).rejects.toThrow(StoreUnavailable);
  // It answers the rest: why a gateway must not go by that.
  expect(await scenarioOf(believer).find(udp())).toMatchObject({
    kind: 'entry',
    entry: { outside },
  });
});

test('where a failover can happen, a deployment that wants no replica is refused', async () => {
  const sentinel = await startSentinel();
  ends.push(sentinel.stop);
  const none = { config: CONFORMANCE_CONFIG };
  const refused = /cluster.minReplicas: found 0, allowed: 1 or more at redis\+/;
  await expect(connectRedisStore({ url: sentinel.url, ...none })).rejects.toThrow(refused);
  const cluster = await startCluster({ replicas: 1 });
  ends.push(() => cluster.stop());
  await expect(connectRedisStore({ url: cluster.url, ...none })).rejects.toThrow(refused);
  const single = await connectRedisStore({ url: urlOf(sentinel.master), ...none });
  await single.end();
});
