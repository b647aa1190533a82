/** What BullMQ is trusted with: order, rate, repetition, and that nothing of it grows. */
import { startRedis, type TestRedis } from '@flowstore/flow-store/testing';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { JobQueue, type JobResult, type Outcome } from './queue.ts';
import type { JobData, JobName, Schedule } from './schedules.ts';
import { WAIT } from './testing/reaper-process.ts';

/** So that each scheduler gives one job, at once, and no second one during the test. */
const ONCE_MS = 3_600_000;
const KEYS = '{flowstore:reaper}:reaper:';

let server: TestRedis;
let redis: Redis;
const queues: JobQueue[] = [];

beforeEach(async () => {
  server = await startRedis();
  redis = new Redis(server.url, { protocol: 2 });
});

afterEach(async () => {
  await Promise.all(queues.splice(0).map((queue) => queue.close()));
  if (server.pid === null) await redis.flushdb();
  redis.disconnect();
  await server.stop();
});

interface Reaper {
  readonly queue: JobQueue;
  readonly outcomes: [Outcome, string][];
}

async function reaper(
  work: (data: JobData, name: JobName) => Promise<JobResult>,
  more: { jobsPerSMax?: number; concurrency?: number } = {},
): Promise<Reaper> {
  const outcomes: [Outcome, string][] = [];
  const queue = new JobQueue({
    url: server.url,
    connectTimeoutMs: 5_000,
    concurrency: 1,
    ...more,
    work: (name, data) => work(data, name),
    onOutcome: (outcome, name) => outcomes.push([outcome, name]),
    onError: () => {},
    onConnected: () => {},
  });
  queues.push(queue);
  await queue.connect();
  return { queue, outcomes };
}

function sweepOf(shard: number, more: Partial<Schedule> = {}): Schedule {
  const template = { name: 'sweep' as const, data: { shards: [shard] }, priority: 20 };
  return { id: `sweep-${shard}`, everyMs: ONCE_MS, ...template, ...more };
}

const DONE: JobResult = { summary: {} };

test('a job that fails is repeated with a growing delay, and each failure is told', async () => {
  const startsMs: number[] = [];
  const { queue, outcomes } = await reaper(async () => {
    startsMs.push(performance.now());
    if (startsMs.length < 3) throw new Error('the store is away');
    return DONE;
  });
  await queue.schedule([sweepOf(1)]);
  await queue.setWorking(true);
  const told = ['failed', 'failed', 'completed'].map((outcome) => [outcome, 'sweep']);
  await vi.waitFor(() => expect(outcomes).toEqual(told), WAIT);
  const [first, second, third] = startsMs;
  // A timer may be a little early by another clock; that it is late says nothing.
  expect(second! - first!).toBeGreaterThan(450);
  expect(third! - second!).toBeGreaterThan(900);
});

test('a job that fails each time is given up after three, and kept to be looked at', async () => {
  let tries = 0;
  const { queue } = await reaper(async () => {
    tries += 1;
    throw new Error('the store is away');
  });
  await queue.schedule([sweepOf(1)]);
  await queue.setWorking(true);
  await vi.waitFor(async () => expect(await redis.zcard(`${KEYS}failed`)).toBe(1), WAIT);
  expect(tries).toBe(3);
  const [job] = await queue.queue!.getFailed();
  expect(job).toMatchObject({ name: 'sweep', attemptsMade: 3, failedReason: 'the store is away' });
});

test('what was done is kept in a bounded number, and what failed', async () => {
  const { queue } = await reaper(async ({ place }) => {
    if (place === 'fails') throw new Error('the store is away');
    return DONE;
  });
  await queue.schedule([sweepOf(1)]);
  const [job] = await queue.queue!.getPrioritized();
  // As a scheduler makes them, but for their number of attempts.
  const { removeOnComplete, removeOnFail } = job!.opts;
  const opts = { removeOnComplete: removeOnComplete!, removeOnFail: removeOnFail! };
  const jobs = ['works', 'fails'].flatMap((place) => {
    return Array.from({ length: 300 }, () => ({ name: 'audit', data: { place }, opts }));
  });
  await queue.queue!.addBulk(jobs);
  await queue.setWorking(true);
  const counts = () => queue.queue!.getJobCounts('wait', 'active', 'completed', 'failed');
  const left = { wait: 0, active: 0, completed: 64, failed: 256 };
  await vi.waitFor(async () => expect(await counts()).toEqual(left), WAIT);
  expect(await redis.xlen(`${KEYS}events`)).toBeLessThan(1_200);
});

test('any number may put the schedulers there: each is there once, with one job', async () => {
  const all = await Promise.all([1, 2, 3, 4].map(() => reaper(async () => DONE)));
  const schedules = [1, 2, 3].map((shard) => sweepOf(shard));
  await Promise.all(all.map(({ queue }) => queue.schedule(schedules)));
  const { queue } = all[0]!;
  expect((await queue.queue!.getJobSchedulers()).map(({ key }) => key).sort()).toEqual(
    schedules.map(({ id }) => id),
  );
  for (const { queue } of all) await queue.setWorking(true);
  const done = () => all.flatMap(({ outcomes }) => outcomes).length;
  await vi.waitFor(async () => {
    expect(await queue.queue!.getJobCounts('prioritized', 'active', 'delayed')).toEqual({
      prioritized: 0,
      active: 0,
      delayed: 3,
    });
  }, WAIT);
  expect(done()).toBe(3);
});

test('schedulers of another layout are taken away', async () => {
  const { queue } = await reaper(async () => DONE);
  await queue.schedule([sweepOf(1), sweepOf(2)]);
  await queue.schedule([sweepOf(2), sweepOf(3)]);
  const keys = (await queue.queue!.getJobSchedulers()).map(({ key }) => key);
  expect(keys.sort()).toEqual(['sweep-2', 'sweep-3']);
});

test('the shard that is furthest behind is taken first', async () => {
  const taken: number[] = [];
  const { queue } = await reaper(async ({ shards }) => {
    taken.push(...shards!);
    return DONE;
  });
  await queue.schedule([
    sweepOf(1),
    sweepOf(2, { priority: 11 }),
    sweepOf(3, { priority: 30 }),
    sweepOf(4, { priority: 7 }),
  ]);
  await queue.setWorking(true);
  await vi.waitFor(() => expect(taken).toHaveLength(4), WAIT);
  expect(taken).toEqual([4, 2, 1, 3]);
});

test('a job tells the next one of its scheduler what it has to know', async () => {
  const seen: JobData[] = [];
  const places = ['0/17', '0/40', null];
  const { queue } = await reaper(async (data) => {
    const place = places[seen.length] ?? null;
    seen.push(data);
    return { summary: {}, next: { data: { place }, priority: 5 } };
  });
  const audit: Schedule = { id: 'audit', name: 'audit', everyMs: 20, data: {}, priority: 30 };
  await queue.schedule([audit]);
  await queue.setWorking(true);
  await vi.waitFor(() => expect(seen.length).toBeGreaterThan(3), WAIT);
  await queue.setWorking(false);
  expect(seen.slice(0, 4)).toEqual([{}, { place: '0/17' }, { place: '0/40' }, { place: null }]);
  expect(await queue.queue!.getJobScheduler('audit')).toMatchObject({
    every: 20,
    template: { opts: { priority: 5 } },
  });
});

test('the rate is that of all reapers together', async () => {
  const startsMs: number[] = [];
  const work = async () => {
    startsMs.push(performance.now());
    return DONE;
  };
  const reapers = [await reaper(work, { jobsPerSMax: 4 }), await reaper(work, { jobsPerSMax: 4 })];
  await reapers[0]!.queue.schedule(Array.from({ length: 12 }, (_, shard) => sweepOf(shard)));
  for (const { queue } of reapers) await queue.setWorking(true);
  await vi.waitFor(() => expect(startsMs).toHaveLength(12), WAIT);
  // Three seconds' worth: the first of the third second is two seconds after the very first.
  expect(startsMs[8]! - startsMs[0]!).toBeGreaterThan(1_900);
  expect(reapers.every(({ outcomes }) => outcomes.length > 0)).toBe(true);
});

test('so many jobs at once as it is told to, and no more', async () => {
  let active = 0;
  let most = 0;
  // Who comes first waits until three are there.
  let meet = () => {};
  const met = new Promise<void>((resolve) => {
    meet = resolve;
  });
  const { queue, outcomes } = await reaper(
    async () => {
      active += 1;
      most = Math.max(most, active);
      if (active === 3) meet();
      await met;
      active -= 1;
      return DONE;
    },
    { concurrency: 3 },
  );
  await queue.schedule(Array.from({ length: 9 }, (_, shard) => sweepOf(shard)));
  await queue.setWorking(true);
  await vi.waitFor(() => expect(outcomes).toHaveLength(9), WAIT);
  expect(most).toBe(3);
});

test('a close waits for the job at work, which ends as done', async () => {
  let finish = () => {};
  const begun = vi.fn();
  const { queue, outcomes } = await reaper(async () => {
    begun();
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return DONE;
  });
  await queue.schedule([sweepOf(1)]);
  await queue.setWorking(true);
  await vi.waitFor(() => expect(begun).toHaveBeenCalled(), WAIT);
  const closed = vi.fn();
  const closing = queue.close().then(closed);
  expect(await redis.llen(`${KEYS}active`)).toBe(1);
  expect(closed).not.toHaveBeenCalled();
  finish();
  await closing;
  expect(closed).toHaveBeenCalledWith(true);
  expect(outcomes).toEqual([['completed', 'sweep']]);
  expect(await redis.llen(`${KEYS}active`)).toBe(0);
});
