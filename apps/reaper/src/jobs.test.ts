/** What a job leaves behind: metrics, readiness, and what its scheduler's next job is like. */
import type { AuditStep, SweepResult } from '@flowstore/flow-store';
import { createLogger, createRegistry } from '@flowstore/service';
import { expect, test } from 'vitest';
import { CallSize } from './call-size.ts';
import { reaperSchema } from './config.ts';
import type { Sweepable } from './config-watch.ts';
import { Health } from './health.ts';
import { workOn } from './jobs.ts';
import { createMetrics } from './metrics.ts';
import { Overdue } from './overdue.ts';
import { sweepTemplate } from './schedules.ts';
import { CLUSTER } from './testing/cluster.ts';
import { NOTHING_SWEPT } from './testing/nothing-swept.ts';

function reaper(store: Partial<Sweepable>) {
  const config = reaperSchema.parse({ redis: { url: 'redis://127.0.0.1' }, cluster: CLUSTER });
  const registry = createRegistry({ app: 'reaper', version: '0' });
  const overdue = new Overdue(() => 0);
  const size = new CallSize(config.sweep);
  const health = new Health(() => 'ready');
  health.configCompared(null);
  const parts = {
    store: store as Sweepable,
    config,
    log: createLogger({ name: 'test', level: 'silent' }),
    size,
    health,
    metrics: createMetrics(registry, { overdue, size, ready: () => true }),
    overdue,
    nowMs: () => 0,
    stopping: new AbortController().signal,
  };
  const metric = async (name: string) => {
    const found = await registry.getSingleMetric(`flowstore_reaper_${name}`)!.get();
    return found.values.reduce((sum, { value }) => sum + value, 0);
  };
  return { parts, health, metric };
}

test('a sweep tells how far behind its shard is, and its next job comes the sooner', async () => {
  const results: SweepResult[] = [
    { ...NOTHING_SWEPT, overdueMs: 90_000, nextDueMs: 0, portsFreed: 3, heldMs: 0.4 },
    { ...NOTHING_SWEPT, overdueMs: 70_000, nextDueMs: 5_000, leasesExpired: 2, heldMs: 0.3 },
  ];
  const { parts, metric } = reaper({ sweep: async () => results.shift()! });
  const { summary, next } = await workOn(parts, 'sweep', { shards: [7] });
  expect(summary).toMatchObject({ calls: 2, overdueMs: 90_000, portsFreed: 3, leasesExpired: 2 });
  expect(next).toEqual(sweepTemplate([7], 90_000));
  expect(next!.priority).toBeLessThan(sweepTemplate([7], 0).priority);
  expect(await metric('overdue_seconds')).toBe(70);
  expect(await metric('ports_freed_total')).toBe(3);
  expect(await metric('leases_expired_total')).toBe(2);
});

test('once nothing is overdue the backlog is gone, and the job is as urgent as any', async () => {
  const { parts, metric } = reaper({ sweep: async () => NOTHING_SWEPT });
  parts.overdue.note(7, 90_000);
  const { next } = await workOn(parts, 'sweep', { shards: [7] });
  expect(next).toEqual(sweepTemplate([7], 0));
  expect(await metric('overdue_seconds')).toBe(0);
});

test('a sweep that gets no answer fails, is counted, and turns the reaper unready', async () => {
  const sweep = () => Promise.reject(new Error('no answer within 1000 ms'));
  const { parts, health, metric } = reaper({ sweep });
  await expect(workOn(parts, 'sweep', { shards: [7] })).rejects.toThrow('no answer');
  expect(await metric('sweep_calls_failed_total')).toBe(1);
  expect(health.reasons()).toEqual(['flow store: no answer within 1000 ms']);
  parts.store = { sweep: async () => NOTHING_SWEPT } as unknown as Sweepable;
  await workOn(parts, 'sweep', { shards: [7] });
  expect(health.reasons()).toEqual([]);
});

test('an audit goes on where the last one stopped, and ends its walk', async () => {
  const places: (string | null)[] = [];
  const audit = async (place: string | null): Promise<AuditStep> => {
    places.push(place);
    const next = places.length < 10 ? `0/${places.length}` : null;
    return { next, checked: 64, notYet: 0, findings: [] };
  };
  const { parts, metric } = reaper({ audit });
  const first = await workOn(parts, 'audit', { place: '0/0' });
  expect(places).toHaveLength(8);
  expect(first.next!.data).toEqual({ place: '0/8' });
  const second = await workOn(parts, 'audit', first.next!.data);
  expect(places.slice(8)).toEqual(['0/8', '0/9']);
  expect(second.next!.data).toEqual({ place: null });
  expect(await metric('audit_walks_total')).toBe(1);
  expect(await metric('audit_keys_total')).toBe(640);
});

test('a trim goes over every shard', async () => {
  const shards: number[] = [];
  const trim = async (shard: number) => shards.push(shard) % 2;
  const { parts, metric } = reaper({ trim });
  await workOn(parts, 'trim', {});
  expect(shards).toEqual([...Array(64).keys()]);
  expect(await metric('feed_batches_trimmed_total')).toBe(32);
});
