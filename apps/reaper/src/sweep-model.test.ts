import { SHARDS, TCP, UDP } from '@flowstore/flow';
import type { SweepResult } from '@flowstore/flow-store';
import { ModelFlowStore } from '@flowstore/flow-store/testing';
import { expect, test } from 'vitest';
import { shardSets, sweepShards } from './sweep.ts';
import { CLUSTER } from './testing/cluster.ts';
import { plant, survivors } from './testing/plant.ts';

const ALL_SHARDS = shardSets(SHARDS, 1)[0]!;
const LIMITS = { looks: () => 2, callsMax: 10_000 };

/** A deployment on a virtual clock, and what sweeping it did so far. */
function deployment() {
  const clock = { nowMs: 1_000 };
  const store = new ModelFlowStore({ config: CLUSTER, nowMs: () => clock.nowMs });
  const done = { bindings: 0, ports: 0, leases: 0 };
  const onCall = (_: number, result: SweepResult) => {
    done.bindings += result.bindingsDeleted;
    done.ports += result.portsFreed;
    done.leases += result.leasesExpired;
  };
  const watch = { onCall, nowMs: () => 0, stopping: new AbortController().signal };
  const sweep = () => sweepShards(store, ALL_SHARDS, LIMITS, watch);
  return { clock, store, done, sweep };
}

test('what is stale goes, what lives stays', async () => {
  const { clock, store, done, sweep } = deployment();
  const live = await plant(store, TCP, 50);
  await plant(store, UDP, 200);
  await sweep();
  expect(done.bindings).toBe(0);
  clock.nowMs += 1_000;
  expect((await sweep()).unfinished).toBe(0);
  expect(done.bindings).toBe(200);
  expect(await survivors(store, live)).toBe(50);
});

test('timeout, quarantine and lease over, nothing is left', async () => {
  const { clock, store, sweep } = deployment();
  await plant(store, UDP, 200);
  for (let steps = 0; steps < 10; steps++) {
    clock.nowMs += 1_000;
    await sweep();
  }
  expect(store.counts()).toEqual({ entries: 0, rows: 0, marks: 0, leases: 0 });
});

test('two sweeps at once delete each flow once', async () => {
  const { clock, store, done, sweep } = deployment();
  await plant(store, UDP, 200);
  clock.nowMs += 1_000;
  await Promise.all([sweep(), sweep()]);
  expect(done.bindings).toBe(200);
});
