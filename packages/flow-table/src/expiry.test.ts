/** Strategies other than the wheel: `lazy`, and one that a caller brings along. */
import { FlowStatus } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import type { Expiry, ExpiryContext } from './expiry.ts';
import { FlowTable } from './flow-table.ts';
import { NONE } from './none.ts';
import { findBoth, flowOf, put, START_MS } from './testing.ts';

const DUE_MS = START_MS + 60_000;
const LATER_MS = DUE_MS + 60_000;

describe('lazy', () => {
  const lazyTable = (highWaterMax: number): FlowTable =>
    new FlowTable({ capacityMax: 100, seed: 1, nowMs: START_MS, highWaterMax, expiry: 'lazy' });

  test('has no timers: a poll tells only what a lookup found expired', () => {
    const table = lazyTable(100);
    const { handle } = put(table, flowOf(1));
    put(table, flowOf(2));
    expect(table.nextDueMs()).toBe(Number.POSITIVE_INFINITY);
    expect(table.poll(DUE_MS)).toBe(0);
    expect(findBoth(table, flowOf(1), DUE_MS)).toBe(NONE);
    expect(table.poll(DUE_MS)).toBe(1);
    expect(table.due[0]).toBe(handle);
    expect(table.activeSize).toBe(1);
  });

  test('a purge finds stale rows in bounded steps, round the table and past Active ones', () => {
    const table = lazyTable(40);
    for (let n = 0; n < 80; n++) {
      put(table, flowOf(n, { deadlineMs: n % 2 === 0 ? DUE_MS : LATER_MS }));
    }
    let freed = 0;
    for (let purges = 0; purges < 40; purges++) {
      const stepsBefore = table.counters.timerSteps;
      freed += table.purge(DUE_MS, 1);
      expect(table.counters.timerSteps - stepsBefore).toBeLessThanOrEqual(8);
    }
    expect(freed).toBe(40);
    for (let n = 0; n < 80; n++) {
      expect(findBoth(table, flowOf(n), DUE_MS) !== NONE).toBe(n % 2 === 1);
    }
    // Nothing is stale now: a purge looks at its few rows, and gives up.
    const stepsBefore = table.counters.timerSteps;
    expect(table.purge(DUE_MS, 1)).toBe(0);
    expect(table.counters.timerSteps - stepsBefore).toBe(8);
    // From the first slot again: what was Active on the first round is stale on the next.
    expect(table.purge(LATER_MS, 100)).toBe(5);
    expect(table.size).toBe(table.lowWater);
  });

  test('a removed row is not purged again, and its slot starts anew', () => {
    const table = lazyTable(4);
    for (let n = 0; n < 6; n++) put(table, flowOf(n));
    table.remove(3);
    const { slot } = put(table, flowOf(9, { deadlineMs: LATER_MS }));
    expect(slot).toBe(3);
    expect(table.purge(DUE_MS, 100)).toBe(3);
    expect(findBoth(table, flowOf(9), DUE_MS)).toBe(slot);
  });
});

describe("a caller's own strategy", () => {
  class Scan implements Expiry {
    stepsLeft = 0;
    readonly armed = new Set<number>();
    readonly context: ExpiryContext;

    constructor(context: ExpiryContext) {
      this.context = context;
    }

    arm(slot: number): void {
      this.armed.add(slot);
    }

    disarm(slot: number): void {
      this.armed.delete(slot);
    }

    takeDue(nowMs: number): number {
      for (const slot of this.armed) {
        if (this.context.deadlineMs(slot) > nowMs) continue;
        this.armed.delete(slot);
        return slot;
      }
      return NONE;
    }

    takeStale(nowMs: number): number {
      return this.takeDue(nowMs);
    }

    nextDueMs(): number {
      return Math.min(...[...this.armed].map((slot) => this.context.deadlineMs(slot)));
    }
  }

  test('is told of every row, its deadline and the time', () => {
    let scan: Scan | undefined;
    const expiry = (context: ExpiryContext): Expiry => {
      scan = new Scan(context);
      return scan;
    };
    const table = new FlowTable({ capacityMax: 100, seed: 1, nowMs: START_MS, expiry });
    expect(scan!.context.slots).toBe(table.capacity + table.reserve + 1);
    const handles = [1, 2, 3].map((n) => put(table, flowOf(n)).handle);
    table.extend(2, LATER_MS);
    table.remove(3);
    expect(table.nextDueMs()).toBe(DUE_MS);
    expect(table.poll(DUE_MS)).toBe(1);
    expect(table.due[0]).toBe(handles[0]);
    expect(scan!.context.nowMs()).toBe(DUE_MS);
    expect([...scan!.armed]).toEqual([2]);
    expect(table.poll(LATER_MS)).toBe(1);
    expect(table.status(handles[1]!)).toBe(FlowStatus.Expired);
  });
});
