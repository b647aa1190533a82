import { canonicalConfig, TCP, UDP } from '@flowstore/flow';
import { connectRedisStore, type FlowStore } from '@flowstore/flow-store';
import { startRedis, type TestRedis } from '@flowstore/flow-store/testing';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CALL_TIMEOUT_MS, CLUSTER } from './testing/cluster.ts';
import { plant, survivors } from './testing/plant.ts';
import { ReaperProcess, WAIT } from './testing/reaper-process.ts';

const FLOWS = 200;
const CONNECTIONS = 50;

/** For tests that stop the server: one that REDIS_URL names is not ours to stop. */
const testWithOwnServer = test.skipIf(Boolean(process.env.REDIS_URL));

let server: TestRedis;
let redis: Redis;
let store: FlowStore;

beforeEach(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  redis.on('error', () => {});
  store = await connectRedisStore({
    url: server.url,
    config: CLUSTER,
    callTimeoutMs: CALL_TIMEOUT_MS,
  });
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
    cluster: CLUSTER,
    http: { port: 0 },
    sweep: { everyMs: 50, sets: 8 },
    ...changes,
  };
}

/** Entries, blocks and index members: all that a flow leaves in the store. */
async function stored(): Promise<number> {
  const keys = await redis.keys('*');
  return keys.filter((key) => /^([pi]:|\{..\})/.test(key)).length;
}

async function total(reapers: readonly ReaperProcess[], name: string): Promise<number> {
  const each = await Promise.all(reapers.map((reaper) => reaper.metric(name)));
  return each.reduce((sum, value) => sum + value, 0);
}

test('stale flows are drained, live ones stay, freed ports go through quarantine', async () => {
  await store.initialise('new');
  const live = await plant(store, TCP, CONNECTIONS);
  await plant(store, UDP, FLOWS);
  const reaper = new ReaperProcess(configOf());
  const bindings = () => reaper.metric('flowstore_reaper_bindings_deleted_total');
  await vi.waitFor(async () => expect(await bindings()).toBe(FLOWS), WAIT);
  const freed = () => reaper.metric('flowstore_reaper_ports_freed_total');
  // Expired leases put the ports that had no row into quarantine, too.
  await vi.waitFor(async () => expect(await freed()).toBeGreaterThanOrEqual(FLOWS), WAIT);
  const leases = () => reaper.metric('flowstore_reaper_leases_expired_total');
  await vi.waitFor(async () => expect(await leases()).toBeGreaterThan(0), WAIT);
  expect(await survivors(store, live)).toBe(CONNECTIONS);
  expect(await bindings()).toBe(FLOWS);
  expect((await reaper.ready()).status).toBe(200);
  expect(await reaper.metric('flowstore_reaper_sweep_call_seconds_count')).toBeGreaterThan(0);
  expect(await reaper.metric('flowstore_reaper_ready')).toBe(1);
});

test('nothing of a flow is left behind', async () => {
  await store.initialise('new');
  await plant(store, UDP, FLOWS);
  expect(await stored()).toBeGreaterThan(FLOWS);
  new ReaperProcess(configOf());
  await vi.waitFor(async () => expect(await stored()).toBe(0), WAIT);
});

test('two reapers at once delete each flow once and share the work', async () => {
  await store.initialise('new');
  const live = await plant(store, TCP, CONNECTIONS);
  const reapers = [new ReaperProcess(configOf()), new ReaperProcess(configOf())];
  const completed = (reaper: ReaperProcess) => reaper.metric('flowstore_reaper_jobs_total');
  for (const reaper of reapers) {
    await vi.waitFor(async () => expect(await completed(reaper)).toBeGreaterThan(0), WAIT);
  }
  await plant(store, UDP, FLOWS, 30_000);
  const bindings = () => total(reapers, 'flowstore_reaper_bindings_deleted_total');
  await vi.waitFor(async () => expect(await bindings()).toBe(FLOWS), WAIT);
  const jobs = () => total(reapers, 'flowstore_reaper_jobs_total');
  const before = await jobs();
  await vi.waitFor(async () => expect(await jobs()).toBeGreaterThan(before + 32), WAIT);
  expect(await bindings()).toBe(FLOWS);
  expect(await survivors(store, live)).toBe(CONNECTIONS);
  const queue = await redis.keys('{flowstore:reaper}:reaper:repeat:sweep-*-of-8');
  expect(queue).toHaveLength(8);
});

test('SIGTERM stops it gracefully, and what it leaves in Redis is bounded', async () => {
  await store.initialise('new');
  const reaper = new ReaperProcess(configOf());
  const jobs = () => reaper.metric('flowstore_reaper_jobs_total');
  await vi.waitFor(async () => expect(await jobs()).toBeGreaterThan(100), WAIT);
  reaper.child.kill('SIGTERM');
  expect(await reaper.exited).toBe(0);
  expect(reaper.stdout).toContain('"msg":"stopped"');
  expect(reaper.stderr).toBe('');
  expect(await redis.zcard('{flowstore:reaper}:reaper:completed')).toBeLessThanOrEqual(64);
  expect(await redis.llen('{flowstore:reaper}:reaper:active')).toBe(0);
});

test('a configuration other than the deployment runs with is refused', async () => {
  await store.initialise('new');
  const cluster = { ...CLUSTER, quarantineMs: 3_050, slack: { outageMs: 1, clockSkewMs: 0 } };
  const reaper = new ReaperProcess(configOf({ cluster }));
  expect(await reaper.exited).toBe(2);
  const why = 'differs from what the deployment in the store runs with';
  expect(reaper.stderr).toBe(
    `reaper: cluster.quarantineMs: ${why}\nreaper: cluster.slack.outageMs: ${why}\n`,
  );
});

test('it waits for a deployment that is not initialised yet', async () => {
  const reaper = new ReaperProcess(configOf());
  expect(await reaper.ready()).toEqual({
    status: 503,
    reasons: ['cluster: the deployment is not initialised (gateway --init)'],
  });
  await store.initialise('new');
  await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(200), WAIT);
});

testWithOwnServer('a store that is not there is one clear line, exit 1', async () => {
  await server.stop();
  const reaper = new ReaperProcess(configOf());
  expect(await reaper.exited).toBe(1);
  const [line, ...rest] = reaper.stderr.split('\n');
  expect(rest).toEqual(['']);
  expect(line).toMatch(/^reaper: .*127\.0\.0\.1:\d+.*\(FLOWSTORE_STORE_UNAVAILABLE\)$/);
});

test('a queue that is not there is one clear line, exit 1', async () => {
  await store.initialise('new');
  const reaper = new ReaperProcess(configOf({ queueUrl: 'redis://:secret@127.0.0.1:1' }));
  expect(await reaper.exited).toBe(1);
  expect(reaper.stderr).toMatch(
    /^reaper: no connection to the queue's Redis at redis:\/\/:\*\*\*@127\.0\.0\.1:1: .*\n$/,
  );
});

testWithOwnServer('a store that freezes turns it unready, and it recovers by itself', async () => {
  await store.initialise('new');
  const queueServer = await startRedis();
  try {
    const reaper = new ReaperProcess(
      configOf({
        redis: { url: server.url, callTimeoutMs: 200, connectTimeoutMs: 500 },
        queueUrl: queueServer.url,
      }),
    );
    await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(200), WAIT);
    process.kill(server.pid!, 'SIGSTOP');
    await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(503), WAIT);
    expect((await reaper.ready()).reasons.join()).toContain('flow store:');
    process.kill(server.pid!, 'SIGCONT');
    await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(200), WAIT);
    await store.end();
    store = await connectRedisStore({
      url: server.url,
      config: CLUSTER,
      callTimeoutMs: CALL_TIMEOUT_MS,
    });
    await plant(store, UDP, FLOWS);
    const bindings = () => reaper.metric('flowstore_reaper_bindings_deleted_total');
    await vi.waitFor(async () => expect(await bindings()).toBe(FLOWS), WAIT);
    reaper.child.kill('SIGTERM');
    expect(await reaper.exited).toBe(0);
  } finally {
    await queueServer.stop();
  }
});

test('a Redis that lost its data gets its schedulers back', async () => {
  await store.initialise('new');
  const reaper = new ReaperProcess(configOf());
  await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(200), WAIT);
  await redis.flushall();
  await store.initialise('new');
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  const schedulers = () => redis.keys('{flowstore:reaper}:reaper:repeat:sweep-*-of-8');
  await vi.waitFor(async () => expect(await schedulers()).toHaveLength(8), WAIT);
  const before = await reaper.metric('flowstore_reaper_jobs_total');
  const after = () => reaper.metric('flowstore_reaper_jobs_total');
  await vi.waitFor(async () => expect(await after()).toBeGreaterThan(before), WAIT);
});

test('one that had to wait for the deployment to be written back works on', async () => {
  await store.initialise('new');
  const reaper = new ReaperProcess(configOf());
  await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(200), WAIT);
  await redis.flushall();
  await vi.waitFor(async () => {
    const { reasons } = await reaper.ready();
    expect(reasons).toEqual([expect.stringContaining('not initialised')]);
  }, WAIT);
  // What it was waiting for in the queue ends, and with it its loop.
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await vi.waitFor(async () => {
    const clients = String(await redis.call('CLIENT', 'LIST'));
    expect(clients).not.toContain('cmd=bzpopmin');
  }, WAIT);
  // Our own connection is made anew, too.
  await vi.waitFor(() => store.initialise('new'), WAIT);
  const jobs = () => reaper.metric('flowstore_reaper_jobs_total');
  const before = await jobs();
  await vi.waitFor(async () => expect(await jobs()).toBeGreaterThan(before + 8), WAIT);
});

test('a deployment whose configuration it can’t follow is left alone from then on', async () => {
  await store.initialise('new');
  const reaper = new ReaperProcess(configOf());
  await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(200), WAIT);
  await redis.flushdb();
  const config = { ...CLUSTER, version: 2, leaseMs: CLUSTER.leaseMs + 1 };
  const next = await connectRedisStore({ url: server.url, config, callTimeoutMs: CALL_TIMEOUT_MS });
  try {
    await next.initialise('new');
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await vi.waitFor(async () => {
      expect((await reaper.ready()).reasons).toEqual([
        expect.stringMatching(/^cluster: leaseMs: can't change while gateways run/),
      ]);
    }, WAIT);
  } finally {
    await next.end();
  }
  // Its jobs go to a reaper that has the new configuration.
  const successor = new ReaperProcess(configOf({ cluster: config }));
  const jobs = () => successor.metric('flowstore_reaper_jobs_total');
  await vi.waitFor(async () => expect(await jobs()).toBeGreaterThan(0), WAIT);
  const before = await reaper.metric('flowstore_reaper_jobs_total');
  const sofar = await jobs();
  await vi.waitFor(async () => expect(await jobs()).toBeGreaterThan(sofar + 32), WAIT);
  expect(await reaper.metric('flowstore_reaper_jobs_total')).toBe(before);
});

test('a configuration that is published is followed, and swept by once it holds', async () => {
  await store.initialise('new');
  const reaper = new ReaperProcess(configOf());
  await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(200), WAIT);
  const timeouts = { ...CLUSTER.timeouts, udpMs: 10 };
  const config = { ...CLUSTER, version: 2, timeouts };
  const next = await connectRedisStore({ url: server.url, config, callTimeoutMs: CALL_TIMEOUT_MS });
  try {
    expect(await next.publish()).toEqual({ kind: 'published' });
    await vi.waitFor(async () => {
      const state = await next.deployment();
      expect(state).toMatchObject({ terms: { holds: canonicalConfig(config), next: null } });
    }, WAIT);
  } finally {
    await next.end();
  }
  const jobs = () => reaper.metric('flowstore_reaper_jobs_total');
  const before = await jobs();
  await vi.waitFor(async () => expect(await jobs()).toBeGreaterThan(before + 8), WAIT);
  expect((await reaper.ready()).status).toBe(200);
});

testWithOwnServer('with store and queue away it still stops in time', async () => {
  await store.initialise('new');
  const reaper = new ReaperProcess(configOf());
  await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(200), WAIT);
  await server.stop();
  await vi.waitFor(async () => expect((await reaper.ready()).status).toBe(503), WAIT);
  reaper.child.kill('SIGTERM');
  expect(await reaper.exited).toBe(0);
});

test('a bad configuration is refused line by line, exit 2', async () => {
  const reaper = new ReaperProcess(
    configOf({ sweep: { sets: 65 }, cluster: { ...CLUSTER, pool: ['198.18.0.0/28'] } }),
  );
  expect(await reaper.exited).toBe(2);
  expect(reaper.stderr).toMatch(
    /reaper\.json:1: sweep\.sets: found 65, allowed: .* from 1 to 64\n/,
  );
});

test('--version prints the version', async () => {
  const reaper = new ReaperProcess({}, ['--version']);
  expect(await reaper.exited).toBe(0);
  expect(reaper.stdout).toBe('0.1.0\n');
});
