import { SHARDS } from '@flowstore/flow';
import type { FlowStore, SweepResult } from '@flowstore/flow-store';
import { expect, test } from 'vitest';
import { shardSets, sweepShards } from './sweep.ts';
import { NOTHING_SWEPT } from './testing/nothing-swept.ts';

/** A store whose shards have a backlog of so many calls each. */
function backlog(callsLeft: Record<number, number>) {
  const asked: number[] = [];
  const sweep = async (shard: number): Promise<SweepResult> => {
    asked.push(shard);
    const left = (callsLeft[shard] ?? 1) - 1;
    callsLeft[shard] = left;
    return {
      ...NOTHING_SWEPT,
      portsFreed: shard,
      leasesExpired: 1,
      nextDueMs: left > 0 ? 0 : 5_000,
    };
  };
  return { asked, store: { sweep } as unknown as FlowStore };
}

function watch(stopping = new AbortController().signal) {
  let nowMs = 0;
  const calls: [number, number][] = [];
  return {
    calls,
    stopping,
    nowMs: () => nowMs++,
    onCall: (shard: number, _: SweepResult, durationMs: number) =>
      void calls.push([shard, durationMs]),
  };
}

const LIMITS = { looks: () => 64, callsMax: 100 };

test('a shard is swept until nothing is due, the shards in turn', async () => {
  const { store, asked } = backlog({ 1: 3, 2: 1, 3: 2 });
  const seen = watch();
  const summary = await sweepShards(store, [1, 2, 3], LIMITS, seen);
  expect(asked).toEqual([1, 2, 3, 1, 3, 1]);
  expect(summary).toMatchObject({ calls: 6, unfinished: 0, overdueMs: 0 });
  expect(seen.calls[0]).toEqual([1, 1]);
  // What the board shows of it, by kind.
  expect(summary).toMatchObject({ portsFreed: 1 + 2 + 3 + 1 + 3 + 1, leasesExpired: 6 });
});

test('an endless backlog is bounded, and the other shards are not kept waiting', async () => {
  const { store, asked } = backlog({ 1: Number.POSITIVE_INFINITY, 2: 1 });
  const summary = await sweepShards(store, [1, 2], { ...LIMITS, callsMax: 10 }, watch());
  expect(asked).toHaveLength(10);
  expect(asked[1]).toBe(2);
  expect(summary).toMatchObject({ calls: 10, unfinished: 1, overdueMs: 0 });
});

test('no call follows a stop', async () => {
  const stop = new AbortController();
  const { store, asked } = backlog({ 1: 5, 2: 5 });
  const seen = watch(stop.signal);
  const onCall = () => stop.abort();
  const summary = await sweepShards(store, [1, 2], LIMITS, { ...seen, onCall });
  expect(asked).toEqual([1]);
  expect(summary).toMatchObject({ calls: 1, unfinished: 2, overdueMs: 0 });
});

test('a call that fails ends the job', async () => {
  const store = { sweep: () => Promise.reject(new Error('away')) } as unknown as FlowStore;
  await expect(sweepShards(store, [1, 2], LIMITS, watch())).rejects.toThrow('away');
});

test.each([1, 3, 8, 64])('%i sets hold every shard once, evenly', (sets) => {
  const dealt = shardSets(SHARDS, sets);
  const sizes = dealt.map((shards) => shards.length);
  expect(dealt).toHaveLength(sets);
  expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  expect(dealt.flat().sort((a, b) => a - b)).toEqual([...new Array(SHARDS).keys()]);
});
