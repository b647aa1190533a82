/** What BullMQ's jobs do beside sweeping, and what nobody can do to a key that was reused. */
import { IN_DATA, OUT_DATA, TCP, UDP } from '@flowstore/flow';
import { connectRedisStore, type FlowStore } from '@flowstore/flow-store';
import { startRedis, type TestRedis } from '@flowstore/flow-store/testing';
import { createLogger } from '@flowstore/service';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { reaperSchema } from './config.ts';
import { type Reaper, startReaper } from './reaper.ts';
import { CALL_TIMEOUT_MS, CLUSTER } from './testing/cluster.ts';
import { PEER, plant, survivors } from './testing/plant.ts';
import { metricAt, ReaperProcess, WAIT } from './testing/reaper-process.ts';

const FLOWS = 60;
/** TCP flows that nobody answered go stale at once, established ones do not. */
const SHORT = { ...CLUSTER, timeouts: { ...CLUSTER.timeouts, tcpTransitoryMs: 150 } };

let server: TestRedis;
let redis: Redis;
let store: FlowStore;

beforeEach(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  store = await connectRedisStore({
    url: server.url,
    config: SHORT,
    callTimeoutMs: CALL_TIMEOUT_MS,
  });
  await store.initialise('new');
});

afterEach(async () => {
  await store.end();
  if (server.pid === null) await redis.flushdb();
  redis.disconnect();
  await server.stop();
});

function configOf(changes: object = {}) {
  return {
    redis: { url: server.url, callTimeoutMs: 1_000, connectTimeoutMs: 2_000 },
    cluster: SHORT,
    http: { port: 0 },
    sweep: { everyMs: 50, sets: 8 },
    ...changes,
  };
}

test('a reaper that is paused never ends what was reused meanwhile', async () => {
  const reaper = new ReaperProcess(configOf());
  await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(200), WAIT);
  const insides = await plant(store, TCP, FLOWS, 10_000, OUT_DATA);
  // Wherever it is: between jobs, between choosing a shard and sending the call, or in an answer.
  process.kill(reaper.child.pid!, 'SIGSTOP');
  const old = await store.find(insides.map((inside) => find(inside)));
  const gone = async () => {
    const found = await store.find(insides.map((inside) => find(inside)));
    expect(found.every((result) => result?.kind === 'no')).toBe(true);
  };
  await vi.waitFor(gone, WAIT);
  await plant(store, TCP, FLOWS, 10_000, OUT_DATA | IN_DATA, 'revived');
  process.kill(reaper.child.pid!, 'SIGCONT');
  const jobs = () => reaper.metric('flowstore_reaper_jobs_total');
  const before = await jobs();
  await vi.waitFor(async () => expect(await jobs()).toBeGreaterThan(before + 16), WAIT);
  expect(await survivors(store, insides)).toBe(FLOWS);
  // What was known of the former generation closes nothing either, however late it comes.
  const late = old.flatMap((result, i) => {
    const identity = result?.kind === 'entry' ? result.entry.flow?.identity : undefined;
    return identity === undefined
      ? []
      : [{ inside: insides[i]!, remote: PEER, identity, reason: 'idle' as const }];
  });
  const closed = await store.close(late);
  expect(closed.every((result) => result?.kind === 'stale')).toBe(true);
  expect(await survivors(store, insides)).toBe(FLOWS);
});

function find(inside: Parameters<typeof survivors>[1][number]) {
  return { direction: 'inside' as const, inside, remote: PEER };
}

test('ten reapers delete each flow once, by one set of schedulers', async () => {
  await plant(store, UDP, FLOWS);
  const config = reaperSchema.parse(configOf({ log: { level: 'silent' } }));
  const log = createLogger({ name: 'reaper', level: 'silent' });
  // In one process: ten of them would leave a small machine no time for the test.
  const reapers: Reaper[] = [];
  onTestFinished(async () => {
    await Promise.all(reapers.map((reaper) => reaper.stop()));
  });
  for (let n = 0; n < 10; n++) reapers.push(await startReaper({ config, version: '0', log }));
  const sum = async (name: string) => {
    const each = await Promise.all(reapers.map(({ url }) => metricAt(url, name)));
    return each.reduce((total, value) => total + value, 0);
  };
  const deleted = () => sum('flowstore_reaper_bindings_deleted_total');
  await vi.waitFor(async () => expect(await deleted()).toBe(FLOWS), WAIT);
  const jobs = () => sum('flowstore_reaper_jobs_total');
  const before = await jobs();
  await vi.waitFor(async () => expect(await jobs()).toBeGreaterThan(before + 16), WAIT);
  expect(await deleted()).toBe(FLOWS);
  expect(await redis.keys('{flowstore:reaper}:reaper:repeat:sweep-*-of-8')).toHaveLength(8);
}, 60_000);

test('the audit walks on and on, finds nothing in health, and tells what it finds', async () => {
  const insides = await plant(store, TCP, FLOWS, 10_000, OUT_DATA | IN_DATA);
  const audit = { everyMs: 50, keysMax: 64 };
  // Sweeps come first: on a busy machine they would leave it no time.
  const sweep = { everyMs: 1_000, sets: 8 };
  const reaper = new ReaperProcess(configOf({ audit, trim: { everyMs: 50 }, sweep }));
  const walks = () => reaper.metric('flowstore_reaper_audit_walks_total');
  const findings = () => reaper.metric('flowstore_reaper_audit_findings_total');
  await vi.waitFor(async () => expect(await walks()).toBeGreaterThan(2), WAIT);
  expect(await reaper.metric('flowstore_reaper_audit_keys_total')).toBeGreaterThan(FLOWS);
  expect(await findings()).toBe(0);
  const [key] = await redis.keysBuffer('{??}*');
  await redis.persist(key!);
  await vi.waitFor(async () => expect(await findings()).toBe(1), WAIT);
  expect(reaper.stdout).toContain('"kind":"keyWithoutTtl"');
  expect(await redis.pttl(key!)).toBeGreaterThan(0);
  expect(await survivors(store, insides)).toBe(FLOWS);
});

test('the board asks for a login, is read-only, and loads nothing from elsewhere', async () => {
  const board = { user: 'ops', password: 'a long password' };
  const reaper = new ReaperProcess(configOf({ board }));
  const url = `${await reaper.url()}/queues`;
  expect((await fetch(url)).status).toBe(401);
  expect((await fetch(`${url}/api/queues`)).status).toBe(401);
  const login = (password: string) => ({
    Authorization: `Basic ${Buffer.from(`ops:${password}`).toString('base64')}`,
  });
  expect((await fetch(url, { headers: login('another password') })).status).toBe(401);
  const headers = login(board.password);
  const page = await fetch(url, { headers });
  expect(page.status).toBe(200);
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
  const html = await page.text();
  expect(html).toContain('flowstore reaper');
  expect(html).not.toMatch(/(href|src)="(https?:)?\/\//);
  const { queues } = (await (await fetch(`${url}/api/queues`, { headers })).json()) as {
    queues: { name: string; readOnlyMode: boolean }[];
  };
  expect(queues).toMatchObject([{ name: 'reaper', readOnlyMode: true }]);
  const pause = `${url}/api/queues/reaper/pause`;
  expect((await fetch(pause, { method: 'PUT', headers })).status).toBe(405);
});

test('without a password nobody gets into the board', async () => {
  const reaper = new ReaperProcess(configOf());
  const response = await fetch(`${await reaper.url()}/queues`);
  expect(response.status).toBe(401);
  expect(await response.json()).toEqual({
    error: 'the board has no password: set board.password',
  });
});
