/** The same reaper where flows and queue live on a Redis Cluster. */
import { TCP, UDP } from '@flowstore/flow';
import { connectRedisStore } from '@flowstore/flow-store';
import { startCluster } from '@flowstore/flow-store/testing';
import { expect, test, vi } from 'vitest';
import { CALL_TIMEOUT_MS, CLUSTER } from './testing/cluster.ts';
import { plant, survivors } from './testing/plant.ts';
import { ReaperProcess, WAIT } from './testing/reaper-process.ts';

test('stale flows are drained from a cluster, live ones stay', async () => {
  const cluster = await startCluster();
  const store = await connectRedisStore({
    url: cluster.url,
    config: CLUSTER,
    callTimeoutMs: CALL_TIMEOUT_MS,
  });
  try {
    await store.initialise('new');
    const live = await plant(store, TCP, 20);
    await plant(store, UDP, 100, 30_000);
    const reaper = new ReaperProcess({
      redis: { url: cluster.url, callTimeoutMs: 1_000, connectTimeoutMs: 2_000 },
      cluster: CLUSTER,
      http: { port: 0 },
      sweep: { everyMs: 50, sets: 8 },
    });
    const bindings = () => reaper.metric('flowstore_reaper_bindings_deleted_total');
    await vi.waitFor(async () => expect(await bindings()).toBe(100), WAIT);
    expect(await survivors(store, live)).toBe(20);
    reaper.child.kill('SIGTERM');
    expect(await reaper.exited).toBe(0);
  } finally {
    await store.end();
    await cluster.stop();
  }
});
