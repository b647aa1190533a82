/** A master that dies: the next one is found, its shards are in grace, what was lost is told. */
import { shardOfInside } from '@flowstore/flow';
import { Redis } from 'ioredis';
import { afterEach, expect, test, vi } from 'vitest';
import { CONFORMANCE_CONFIG, type Harness } from '../conformance/harness.ts';
import { created, NOTHING_SEEN, Scenario, SHARD, udp } from '../conformance/scenario.ts';
import type { StoredEntry } from '../contract.ts';
import type { ServerProcess } from '../testing/server-process.ts';
import { startCluster } from '../testing/start-cluster.ts';
import { startSentinel } from '../testing/start-sentinel.ts';
import { connectRedisStore } from './connect.ts';
import { SHARD_TAGS, SLOTS, slotOfTag } from './keys.ts';

const REPLICATED = { ...CONFORMANCE_CONFIG, minReplicas: 1 };
const PATIENCE = { timeout: 30_000, interval: 50 };
let ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
});

/** A new deployment there; the clock of these tests is the servers' own. */
async function begin(url: string, config = REPLICATED): Promise<Scenario> {
  const store = await connectRedisStore({ url, config });
  ends.push(() => store.end());
  await store.initialise('new');
  return new Scenario({ store } as unknown as Harness);
}

async function adminOf({ port }: ServerProcess): Promise<Redis> {
  const admin = new Redis({ host: '127.0.0.1', port, protocol: 2, retryStrategy: () => null });
  admin.on('error', () => {});
  ends.push(async () => admin.disconnect());
  return admin;
}

/** What the master is told from now on never reaches its replica. */
async function cutReplication(master: ServerProcess): Promise<void> {
  const admin = await adminOf(master);
  await admin.config('SET', 'requirepass', 'unknown-to-the-replica');
  await admin.call('CLIENT', 'KILL', 'TYPE', 'replica');
}

/** Resolves once the write has reached a replica. */
async function replicated(master: ServerProcess): Promise<void> {
  const admin = await adminOf(master);
  await vi.waitUntil(async () => (await admin.info('replication')).includes('lag=0'), PATIENCE);
  const copies = await admin.call('WAIT', '1', '5000');
  expect(copies).toBe(1);
}

/** Once the store answers again. */
async function answers(scenario: Scenario): Promise<void> {
  await vi.waitUntil(() => scenario.find(udp(9)).catch(() => null), PATIENCE);
}

function reassertion({ inside, outside, binding }: StoredEntry) {
  return { inside, remote: null, outside, identity: binding.identity, seen: NOTHING_SEEN };
}

async function failsOver(
  scenario: Scenario,
  master: ServerProcess,
): Promise<{ kept: StoredEntry; lost: StoredEntry }> {
  const kept = await scenario.bound(udp(0));
  const proposal = await scenario.port(17);
  await replicated(master);
  await cutReplication(master);
  const lost = created(await scenario.open(udp(1), { proposal }));
  expect(await scenario.find(udp(9))).toEqual({ kind: 'no' });
  await master.stop();
  await expect(scenario.find(udp(0))).rejects.toThrow();
  await answers(scenario);
  return { kept, lost };
}

/** What holds of the shard whose master died. */
async function isInGrace(scenario: Scenario, kept: StoredEntry, lost: StoredEntry): Promise<void> {
  const { outside, binding } = kept;
  const same = { outside, binding: { identity: binding.identity } };
  expect(await scenario.find(udp(0))).toMatchObject({ kind: 'entry', entry: same });
  expect(await scenario.find(udp(1))).toEqual({ kind: 'notYet' });
  expect(await scenario.find(udp(9))).toEqual({ kind: 'notYet' });
  await expect(scenario.lease(17)).rejects.toThrow();
  expect((await scenario.sweep()).inGrace).toBe(true);
  const [result] = await scenario.store.reassert([reassertion(lost)]);
  expect(result).toMatchObject({ kind: 'restored', flow: { identity: lost.binding.identity } });
  const found = await scenario.findOutside(17, lost.outside);
  expect(found).toMatchObject({ kind: 'entry', entry: { inside: lost.inside } });
}

/** Which of three masters holds the shard: slots are dealt in thirds. */
function masterOf(shard: number): number {
  return Math.floor((3 * slotOfTag(SHARD_TAGS[shard]!)) / SLOTS);
}

test('Sentinel: a replica that missed the last write takes over, in grace', async () => {
  const deployment = await startSentinel();
  ends.push(() => deployment.stop());
  const scenario = await begin(deployment.url);
  const { kept, lost } = await failsOver(scenario, deployment.master);
  // The Sentinel may tell of the failover, and the client connect anew, after it found the replica.
  await vi.waitFor(() => isInGrace(scenario, kept, lost), PATIENCE);
});

test('Cluster: only the shards of the master that died are in grace', async () => {
  const cluster = await startCluster({ replicas: 1 });
  ends.push(() => cluster.stop());
  const scenario = await begin(cluster.url);
  const { kept, lost } = await failsOver(scenario, cluster.masters[masterOf(SHARD)]!);
  await isInGrace(scenario, kept, lost);
  const elsewhere = SHARD_TAGS.findIndex((_, shard) => masterOf(shard) !== masterOf(SHARD));
  expect((await scenario.store.sweep(elsewhere, 1)).inGrace).toBe(false);
});

test('Cluster: a master that is away leaves the other shards their answers', async () => {
  const cluster = await startCluster();
  ends.push(() => cluster.stop());
  const { store } = await begin(cluster.url, CONFORMANCE_CONFIG);
  const insides = Array.from({ length: 48 }, (_, i) => ({ ...udp(), port: 2_000 + i }));
  const finds = insides.map((inside) => ({ direction: 'inside', inside, remote: null }) as const);
  expect(await store.find(finds)).toEqual(finds.map(() => ({ kind: 'no' })));
  await cluster.masters[0]!.stop();
  const results = await store.find(finds);
  results.forEach((result, i) => {
    const isAway = masterOf(shardOfInside(insides[i]!)) === 0;
    expect(result).toEqual(isAway ? null : { kind: 'no' });
  });
  expect(results).toContain(null);
});
