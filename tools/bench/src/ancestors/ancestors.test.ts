/** The ancestors promise what the wheel promises; what differs is what it costs. */
import { FlowStatus, TCP } from '@flowstore/flow';
import { type FlowInput, FlowTable, type FlowTableOptions } from '@flowstore/flow-table';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AncestorHeap } from './heap.ts';
import { AncestorTimeout } from './timeout.ts';

type Strategy = NonNullable<FlowTableOptions['expiry']>;

const STRATEGIES: [name: string, strategy: Strategy][] = [
  ['wheel', 'wheel'],
  ['heap', (context) => new AncestorHeap(context)],
  ['timeout', (context) => new AncestorTimeout(context)],
];

/** A table on a clock that its timers share. */
class Rig {
  nowMs = 1_000;
  readonly table: FlowTable;

  constructor(expiry: Strategy) {
    this.table = new FlowTable({ capacityMax: 2_000, seed: 1, nowMs: this.nowMs, expiry });
  }

  put(n: number, deadlineMs: number): number {
    const result = this.table.put(flowOf(n, deadlineMs), this.nowMs);
    if (result.kind === 'full') throw new Error('the table is full');
    return result.handle;
  }

  /** Lets time pass and tells who expired then. */
  pass(ms: number): number[] {
    this.nowMs += ms;
    vi.advanceTimersByTime(ms);
    const due: number[] = [];
    for (let count = -1; count !== 0; due.push(...this.table.due.subarray(0, count))) {
      count = this.table.poll(this.nowMs);
    }
    return due.sort((a, b) => a - b);
  }
}

function flowOf(n: number, deadlineMs: number): FlowInput {
  return {
    domain: 0,
    protocol: TCP,
    insideAddress: 0x0a000001,
    insidePort: n,
    remoteAddress: 0xc6336414,
    remotePort: 443,
    outsideAddress: 0xcb007101,
    outsidePort: n,
    generation: n,
    nonce: n,
    flags: 0,
    seenMs: 0,
    rstMs: 0,
    deadlineMs,
  };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe.each(STRATEGIES)('expiry by %s', (_name, strategy) => {
  test('comes at the deadline and not before', () => {
    const rig = new Rig(strategy);
    const first = rig.put(1, 1_050);
    const second = rig.put(2, 1_060);
    expect(rig.pass(49)).toEqual([]);
    expect(rig.pass(1)).toEqual([first]);
    expect(rig.pass(9)).toEqual([]);
    expect(rig.pass(1)).toEqual([second]);
    expect(rig.pass(10_000)).toEqual([]);
    expect(rig.table.nextDueMs()).toBe(Number.POSITIVE_INFINITY);
  });

  test('sleeps again when the deadline was extended, and comes earlier when it shrank', () => {
    const rig = new Rig(strategy);
    const longer = rig.put(1, 1_050);
    const shorter = rig.put(2, 9_000);
    rig.table.extend(rig.table.slotOf(longer), 1_500);
    rig.table.extend(rig.table.slotOf(shorter), 1_100);
    expect(rig.pass(99)).toEqual([]);
    expect(rig.pass(1)).toEqual([shorter]);
    expect(rig.pass(399)).toEqual([]);
    expect(rig.pass(1)).toEqual([longer]);
  });

  test('of a replaced flow is silent, even when it was due in the same tick', () => {
    const rig = new Rig(strategy);
    const old = rig.put(1, 1_050);
    rig.nowMs += 50;
    vi.advanceTimersByTime(50);
    const replacement = rig.put(1, 1_150);
    expect(rig.pass(0)).toEqual([]);
    expect(rig.table.status(old)).toBe(FlowStatus.Detached);
    expect(rig.pass(99)).toEqual([]);
    expect(rig.pass(1)).toEqual([replacement]);
  });

  test('of removed and cancelled flows never comes', () => {
    const rig = new Rig(strategy);
    rig.table.remove(rig.table.slotOf(rig.put(1, 1_010)));
    rig.table.cancel(rig.table.slotOf(rig.put(2, 1_020)));
    const left = rig.put(3, 1_030);
    expect(rig.pass(1_000)).toEqual([left]);
  });

  test('is right for random lives', () => {
    const rig = new Rig(strategy);
    const waiting = new Map<number, number>();
    let random = 12_345;
    const below = (bound: number) => {
      random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((random / 2 ** 32) * bound);
    };
    for (let step = 0; step < 3_000; step++) {
      const handle = [...waiting.keys()][below(waiting.size)];
      const choice = below(10);
      const deadlineMs = rig.nowMs + 1 + below(300);
      if (choice < 6 || handle === undefined) {
        waiting.set(rig.put(1 + step, deadlineMs), deadlineMs);
      } else if (choice < 8) {
        rig.table.extend(rig.table.slotOf(handle), deadlineMs);
        waiting.set(handle, deadlineMs);
      } else {
        rig.table.remove(rig.table.slotOf(handle));
        waiting.delete(handle);
      }
      const due = rig.pass(below(5));
      const expected = [...waiting].filter(([, dueMs]) => dueMs <= rig.nowMs);
      expect(due).toEqual(expected.map(([each]) => each).sort((a, b) => a - b));
      for (const each of due) {
        waiting.delete(each);
        rig.table.remove(rig.table.expiredSlotOf(each));
      }
    }
  });
});
