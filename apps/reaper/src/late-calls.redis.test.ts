/**
 * Calls that arrive long after they were sent: their reaper was stopped, or died, and what they
 * were meant for was reused meanwhile. The wire to the flows' Redis is held with the call on it.
 */
import {
  type Endpoint,
  IN_DATA,
  OUT_DATA,
  packEndpoint,
  type SocketAddress,
  shardOfInside,
  TCP,
} from '@flowstore/flow';
import { connectRedisStore, type FlowStore, type StoredEntry } from '@flowstore/flow-store';
import { metaKey, startRedis, type TestRedis } from '@flowstore/flow-store/testing';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CALL_TIMEOUT_MS, CLUSTER } from './testing/cluster.ts';
import { HeldWire } from './testing/held-wire.ts';
import { INCARNATION, insideAt, PEER, plantAt, survivors } from './testing/plant.ts';
import { ReaperProcess, WAIT } from './testing/reaper-process.ts';

/** TCP flows that nobody answered go stale at once, established ones do not; leases last. */
const SHORT = {
  ...CLUSTER,
  timeouts: { ...CLUSTER.timeouts, tcpTransitoryMs: 150 },
  cacheLeaseMs: 50_000,
  quarantineMs: 55_000,
  leaseMs: 60_000,
};
const ESTABLISHED = OUT_DATA | IN_DATA;
const JOBS = 'flowstore_reaper_jobs_total';
const SELDOM_MS = 3_600_000;
/** Longer than the test: nobody gives up what is held. */
const PATIENT_MS = 120_000;
/** A lock of 15 s must end, and then the look for jobs without one come, every 5 s. */
const STALLED_WAIT = { timeout: 50_000, interval: 100 };

let flows: TestRedis;
let jobs: TestRedis;
let redis: Redis;
let store: FlowStore;
let wire: HeldWire;
let nonce = 1_000;

beforeEach(async () => {
  flows = await startRedis();
  jobs = process.env.REDIS_URL === undefined ? await startRedis() : flows;
  redis = new Redis(flows.url, { protocol: 2 });
  store = await connectRedisStore({
    url: flows.url,
    config: SHORT,
    callTimeoutMs: CALL_TIMEOUT_MS,
  });
  await store.initialise('new');
  wire = await HeldWire.to(flows.url);
});

afterEach(async () => {
  await store.end();
  if (flows.pid === null) await redis.flushdb();
  redis.disconnect();
  await Promise.all([flows.stop(), jobs.stop()]);
});

function reaper(url: string, changes: object = {}): ReaperProcess {
  return new ReaperProcess({
    redis: { url, callTimeoutMs: PATIENT_MS, connectTimeoutMs: 5_000 },
    queueUrl: jobs.url,
    cluster: SHORT,
    http: { port: 0 },
    sweep: { everyMs: 50 },
    trim: { everyMs: SELDOM_MS },
    audit: { everyMs: SELDOM_MS },
    ...changes,
  });
}

function stop({ child }: ReaperProcess): void {
  process.kill(child.pid!, 'SIGSTOP');
}

function goOn({ child }: ReaperProcess): void {
  process.kill(child.pid!, 'SIGCONT');
}

const find = (inside: Endpoint) => ({ direction: 'inside', inside, remote: PEER }) as const;

/** Two connections of one shard, on one block of ports. */
async function plantTwo(flags: number): Promise<[StoredEntry, StoredEntry]> {
  const one = insideAt(TCP, 10_000);
  let other = insideAt(TCP, 10_001);
  while (shardOfInside(other) !== shardOfInside(one)) other = insideAt(TCP, other.port + 1);
  return (await plantAt(store, [one, other], flags)) as [StoredEntry, StoredEntry];
}

async function untilDead(entries: readonly StoredEntry[]): Promise<void> {
  await vi.waitFor(async () => {
    const found = await store.find(entries.map(({ inside }) => find(inside)));
    expect(found.map((result) => result?.kind)).toEqual(entries.map(() => 'no'));
  }, WAIT);
}

/** The same endpoint opens the same connection again, and data flows. */
async function reuse({ inside }: StoredEntry, proposal: SocketAddress | null = null) {
  nonce += 1;
  const seen = { flags: ESTABLISHED, ageMs: 0, rstAgeMs: null };
  const request = { inside, remote: PEER, proposal, incarnation: INCARNATION, nonce, seen };
  const [result] = await store.open([{ ...request, replaces: null }]);
  if (result?.kind !== 'created') throw new Error(`not created but ${result?.kind}`);
  return result.entry;
}

/** Not to be told from what was opened, by its holder and from outside. */
async function isUntouched(entry: StoredEntry): Promise<void> {
  const { inside, outside, binding, flow } = entry;
  const same = {
    outside,
    binding: { identity: binding.identity },
    flow: { identity: flow!.identity },
  };
  const outwards = { direction: 'outside', protocol: TCP, outside, remote: PEER } as const;
  const found = { kind: 'entry', entry: { inside, ...same } };
  expect(await store.find([find(inside), outwards])).toMatchObject([found, found]);
}

/** The keys of its entry. */
async function keysOf({ inside }: StoredEntry): Promise<Buffer[]> {
  const keys = await redis.keysBuffer('{??}*');
  return keys.filter((key) => key.includes(Buffer.from(packEndpoint(inside))));
}

const shardKey = ({ inside }: StoredEntry) => Buffer.from(metaKey(shardOfInside(inside)));

test('a sweep that arrives late deletes what is dead then, not what was', async () => {
  const paused = reaper(wire.url);
  await vi.waitFor(async () => expect((await paused.ready()).status).toBe(200), WAIT);
  stop(paused);
  const [reused, dead] = await plantTwo(OUT_DATA);
  await untilDead([reused, dead]);
  const held = wire.hold((bytes) => bytes.includes(shardKey(reused)));
  goOn(paused);
  await held;
  stop(paused);
  // The shard was chosen and the call is on its way: one of two dead flows is opened again.
  const entry = await reuse(reused);
  expect(entry.flow!.identity).not.toEqual(reused.flow!.identity);
  await wire.letGo();
  expect(await keysOf(dead)).toEqual([]);
  await isUntouched(entry);
  goOn(paused);
  const deleted = () => paused.metric('flowstore_reaper_flows_deleted_total');
  await vi.waitFor(async () => expect(await deleted()).toBe(1), WAIT);
  await isUntouched(entry);
});

test('a job whose reaper died is another’s, and the dead one’s call may still arrive', async () => {
  const [reused, dead] = await plantTwo(OUT_DATA);
  await untilDead([reused, dead]);
  const seldom = { sweep: { everyMs: SELDOM_MS } };
  const held = wire.hold((bytes) => bytes.includes(shardKey(reused)));
  const first = reaper(wire.url, seldom);
  await held;
  first.child.kill('SIGKILL');
  await first.exited;
  const second = reaper(flows.url, seldom);
  const bindings = () => second.metric('flowstore_reaper_bindings_deleted_total');
  await vi.waitFor(async () => expect(await bindings()).toBe(2), STALLED_WAIT);
  expect(await second.metric(JOBS, 'outcome="stalled"')).toBe(1);
  const entry = await reuse(reused, reused.outside);
  await wire.letGo();
  await isUntouched(entry);
  expect(await keysOf(dead)).toEqual([]);
}, 90_000);

test('an audit that arrives late judges what is there then, not what its walk met', async () => {
  const [reused, lost] = await plantTwo(ESTABLISHED);
  for (const inside of [reused, lost]) await redis.del(...(await keysOf(inside)));
  const tag = String(shardKey(reused)).slice('s:'.length);
  const [block] = await redis.keysBuffer(`p:${tag}:*`);
  const member = block!.subarray(`p:${tag}:`.length);
  // SCAN has named the block whose rows lost their entries, and the check is on its way.
  const held = wire.hold((bytes) => bytes.includes(member));
  const seldom = { sweep: { everyMs: SELDOM_MS }, audit: { everyMs: 100 } };
  const paused = reaper(wire.url, seldom);
  await held;
  stop(paused);
  const entry = await reuse(reused, reused.outside);
  await wire.letGo();
  await isUntouched(entry);
  goOn(paused);
  const walks = () => paused.metric('flowstore_reaper_audit_walks_total');
  await vi.waitFor(async () => expect(await walks()).toBeGreaterThan(2), WAIT);
  // The other one's port alone was found, once.
  expect(await paused.metric('flowstore_reaper_audit_findings_total')).toBe(1);
  expect(paused.stdout).toContain('"kind":"rowWithoutEntry"');
  await isUntouched(entry);
});

test('the queue may live on another Redis than the flows', async () => {
  const [live] = await plantTwo(ESTABLISHED);
  const running = reaper(flows.url);
  const done = () => running.metric(JOBS, 'outcome="completed"');
  await vi.waitFor(async () => expect(await done()).toBeGreaterThan(64), WAIT);
  const queue = new Redis(jobs.url, { protocol: 2 });
  const [here, there] = await Promise.all([redis.keys('*'), queue.keys('*')]);
  queue.disconnect();
  expect(there.filter((key) => !key.startsWith('{flowstore:reaper}:'))).toEqual([]);
  expect(there.length).toBeGreaterThan(64);
  expect(here.filter((key) => key.startsWith('{flowstore:reaper}:'))).toEqual([]);
  expect(await survivors(store, [live.inside])).toBe(1);
});
