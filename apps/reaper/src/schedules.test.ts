import { expect, test } from 'vitest';
import { reaperSchema } from './config.ts';
import { schedulesOf, sweepTemplate } from './schedules.ts';
import { CLUSTER } from './testing/cluster.ts';

test('there is a sweep per shard, a trim and an audit, named the same by every reaper', () => {
  const config = reaperSchema.parse({ redis: { url: 'redis://127.0.0.1' }, cluster: CLUSTER });
  const schedules = schedulesOf(config);
  expect(schedules).toHaveLength(64 + 2);
  expect(new Set(schedules.map(({ id }) => id)).size).toBe(64 + 2);
  expect(schedulesOf(config)).toEqual(schedules);
});

test('the further behind a shard is, the sooner its job is taken; the audit comes last', () => {
  const priorities = [0, 1_000, 60_000, 3_600_000, 1e12].map(
    (overdueMs) => sweepTemplate([1], overdueMs).priority,
  );
  expect(priorities).toEqual([...priorities].sort((a, b) => b - a));
  expect(new Set(priorities).size).toBe(priorities.length);
  // 0 would mean none, which BullMQ takes first.
  expect(priorities.at(-1)).toBeGreaterThan(0);
  const config = reaperSchema.parse({ redis: { url: 'redis://127.0.0.1' }, cluster: CLUSTER });
  const audit = schedulesOf(config).find(({ name }) => name === 'audit');
  expect(audit!.priority).toBeGreaterThan(priorities[0]!);
});
