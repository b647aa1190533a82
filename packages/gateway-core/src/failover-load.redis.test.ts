/**
 * A master dies under load, and what it had not told its replica is lost: on a real Sentinel and on
 * a real Cluster. Nobody's port becomes another's (I1), what a replica had goes on as it was, what
 * was lost is told again under its old identity or opened under a later one (I3), and in the end
 * all is free (I5).
 */
import { type ClusterConfig, type Identity, parseAddress, SHARDS, TCP } from '@flowstore/flow';
import { connectRedisStore, type FindRequest, type RedisFlowStore } from '@flowstore/flow-store';
import { type ServerProcess, startCluster, startSentinel } from '@flowstore/flow-store/testing';
import { Redis } from 'ioredis';
import { afterEach, expect, test, vi } from 'vitest';
import { type LoadedFlow, LoadedPair } from './testing/loaded-pair.ts';
import { INSIDE, REMOTE, TEST_CONFIG } from './testing/world.ts';

const LIFE_MS = 6_000;
const CONFIG: ClusterConfig = {
  ...TEST_CONFIG,
  timeouts: {
    tcpEstablishedMs: LIFE_MS,
    tcpTransitoryMs: LIFE_MS,
    tcpClosingMs: LIFE_MS,
    udpMs: LIFE_MS,
    icmpMs: LIFE_MS,
  },
  slack: { outageMs: 6_000, clockSkewMs: 100 },
  heartbeatMs: 400,
  cacheLeaseMs: 2_400,
  leaseMs: 3_000,
  quarantineMs: 4_000,
  minReplicas: 1,
};
/** So many that gateways hold ports of most shards: nothing is granted while replicas are away. */
const FLOWS_BEFORE = 200;
const FLOWS_LOST_MIN = 5;
const CALL_TIMEOUT_MS = 400;
const PATIENCE = { timeout: 40_000, interval: 100 };

let ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
});

interface Deployment {
  readonly url: string;
  /** The one that dies: of all shards, or of a third of them. */
  readonly victim: ServerProcess;
  /** All that may be masters afterwards, and what may follow them. */
  readonly others: readonly ServerProcess[];
}

async function sentinel(): Promise<Deployment> {
  const { url, master, replicas, stop } = await startSentinel({ replicas: 2 });
  ends.push(stop);
  return { url, victim: master, others: replicas };
}

async function cluster(): Promise<Deployment> {
  const { url, masters, replicas, stop } = await startCluster({ replicas: 2 });
  ends.push(stop);
  return {
    url,
    victim: masters[1]!,
    others: [masters[0]!, masters[2]!, replicas[1]!, replicas[4]!],
  };
}

/** On a connection of its own: a Sentinel closes all those of a server whose master it changes. */
async function withAdmin<T>(
  { port }: ServerProcess,
  work: (admin: Redis) => Promise<T>,
): Promise<T> {
  const admin = new Redis({ host: '127.0.0.1', port, protocol: 2, retryStrategy: () => null });
  admin.on('error', () => {});
  try {
    return await work(admin);
  } finally {
    admin.disconnect();
  }
}

async function connect(url: string, callTimeoutMs: number): Promise<RedisFlowStore> {
  const store = await connectRedisStore({ url, config: CONFIG, callTimeoutMs });
  ends.push(() => store.end());
  return store;
}

/** What its master is told from now on reaches no replica. */
async function cutReplication(victim: ServerProcess): Promise<void> {
  await withAdmin(victim, async (admin) => {
    await admin.config('SET', 'requirepass', 'unknown-to-the-replica');
    await admin.call('CLIENT', 'KILL', 'TYPE', 'replica');
  });
}

function findOf({ protocol, port }: LoadedFlow): FindRequest {
  const inside = { domain: 0, protocol, address: parseAddress(INSIDE), port };
  const remote = protocol === TCP ? { address: parseAddress(REMOTE), port } : null;
  return { direction: 'inside', inside, remote };
}

interface Stored {
  readonly outsidePort: number;
  readonly identity: Identity;
}

/** What is stored of each; null: nothing, or no answer. */
async function lookUp(
  store: RedisFlowStore,
  flows: readonly LoadedFlow[],
): Promise<(Stored | null)[]> {
  const found = await store.find(flows.map(findOf));
  return found.map((result) => {
    if (result?.kind !== 'entry') return null;
    const { outside, binding, flow } = result.entry;
    return { outsidePort: outside.port, identity: (flow ?? binding).identity };
  });
}

const outsidePortOf = ({ outside }: LoadedFlow) => Number(outside!.split(' ')[2]);

/** All of them are stored, as they came out. */
async function areStored(store: RedisFlowStore, flows: readonly LoadedFlow[]): Promise<void> {
  const stored = await lookUp(store, flows);
  const wrong = flows.filter((flow, i) => stored[i]?.outsidePort !== outsidePortOf(flow));
  expect(wrong).toEqual([]);
}

/** Told again under the identity that it had, or a later one's (I3). */
function expectSameOrNext(was: Stored | null, is: Stored | null): void {
  if (was === null || is === null) return;
  const { generation } = was.identity;
  if (is.identity.generation === generation) expect(is).toEqual(was);
  else expect(is.identity.generation).toBeGreaterThan(generation);
}

async function auditFinds(store: RedisFlowStore): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let place: string | null = null, first = true; first || place !== null; first = false) {
    const step = await store.audit(place, 200);
    found.push(...step.findings);
    place = step.next;
  }
  return found;
}

async function sweepAll(store: RedisFlowStore): Promise<void> {
  for (let shard = 0; shard < SHARDS; shard++) await store.sweep(shard, 1_000);
}

test.each([
  ['Sentinel', sentinel],
  ['Cluster', cluster],
])(
  '%s: a master dies under load, and with it what it told nobody',
  async (_, begin) => {
    const { url, victim, others } = await begin();
    const watcher = await connect(url, 2_000);
    await vi.waitUntil(() => watcher.initialise('new').catch(() => false), PATIENCE);
    const stores = [await connect(url, CALL_TIMEOUT_MS), await connect(url, CALL_TIMEOUT_MS)];
    const pair = new LoadedPair(CONFIG, stores);
    ends.push(() => pair.kill());
    await vi.waitUntil(() => pair.open.length >= FLOWS_BEFORE, PATIENCE);

    await cutReplication(victim);
    const cutMs = performance.now();
    const isUnreplicated = (flow: LoadedFlow) => flow.outside !== null && flow.begunMs > cutMs;
    await vi.waitUntil(() => pair.flows.filter(isUnreplicated).length >= FLOWS_LOST_MIN, PATIENCE);
    const unreplicated = pair.flows.filter(isUnreplicated);
    const before = await lookUp(watcher, unreplicated);
    await victim.stop();
    const diedMs = performance.now();

    // New flows open again, and those of before go on: grace is over and leases are granted.
    const opensAgain = () =>
      pair.open.some(({ begunMs }) => begunMs > diedMs + CONFIG.quarantineMs);
    await vi.waitUntil(opensAgain, PATIENCE);
    pair.openNoMore();
    // What the replica had goes on as it was. What it had not may have been opened anew in grace,
    // by the gateway that did not know it, before the one that did could tell it.
    const replicated = pair.open.filter(({ openedMs }) => openedMs < cutMs - CALL_TIMEOUT_MS);
    await vi.waitFor(() => areStored(watcher, replicated), PATIENCE);
    expect(pair.wrongs).toEqual([]);
    const restored = pair.cores.reduce((sum, { counters }) => sum + counters.flowsRestored, 0);
    expect(restored).toBeGreaterThan(0);
    const after = await lookUp(watcher, unreplicated);
    for (const [i, was] of before.entries()) expectSameOrNext(was, after[i]!);
    expect(await auditFinds(watcher)).toEqual([]);
    const forwardedMs = performance.now();
    const goesOn = (flow: LoadedFlow) => flow.forwardedMs > forwardedMs;
    await vi.waitUntil(() => replicated.every(goesOn), PATIENCE);
    const broken = replicated.filter(({ breaks }) => breaks.length > 0);
    expect(broken, `cut at ${cutMs.toFixed(0)}, died at ${diedMs.toFixed(0)}`).toEqual([]);
    expect(pair.wrongs).toEqual([]);

    // Everything idles, and both gateways die: all is free again after what it has to wait for.
    pair.sendNoMore();
    pair.kill();
    const keysOf = (server: ServerProcess) => withAdmin(server, (admin) => admin.keys('*'));
    await vi.waitFor(async () => {
      await sweepAll(watcher);
      const keys = (await Promise.all(others.map(keysOf))).flat();
      expect(keys.filter((key) => /^[epi]:/.test(key))).toEqual([]);
    }, PATIENCE);
  },
  150_000,
);
