/** A table whose clock jumps, stands still, and runs for years. */
import { FlowStatus } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import { FlowTable } from './flow-table.ts';
import { NONE } from './none.ts';
import { findBoth, flowOf, put, START_MS } from './testing.ts';

const YEAR_MS = 365 * 86_400_000;
/** Where each level of the wheel begins anew, and where its window does. */
const WRAPS = [5, 10, 15, 20, 25, 30].map((bits) => 2 ** bits);

const newTable = (nowMs = START_MS, dueMax = 64) =>
  new FlowTable({ capacityMax: 10_000, seed: 5, nowMs, dueMax });

describe('a clock that jumps', () => {
  test.each([1, 1_000, 86_400_000, YEAR_MS, 100 * YEAR_MS])(
    'by %d ms: all that is due is told once, in polls of bounded work',
    (jumpMs) => {
      const table = newTable();
      const flows = 5_000;
      for (let n = 0; n < flows; n++) {
        put(table, flowOf(n, { deadlineMs: START_MS + (n / flows) * 2 * jumpMs }));
      }
      const nowMs = START_MS + jumpMs;
      const told = new Set<number>();
      while (table.nextDueMs() <= nowMs) {
        const stepsBefore = table.counters.timerSteps;
        const count = table.poll(nowMs);
        expect(table.counters.timerSteps - stepsBefore).toBeLessThanOrEqual(64 * 8);
        for (const handle of table.due.subarray(0, count)) {
          expect(told.has(handle)).toBe(false);
          told.add(handle);
        }
      }
      // Those due at the very instant of the jump included.
      expect(told.size).toBe(flows / 2 + 1);
      expect(table.activeSize).toBe(flows / 2 - 1);
    },
  );

  test('backward is taken to stand still until it catches up', () => {
    const table = newTable();
    const { handle } = put(table, flowOf(1, { deadlineMs: START_MS + 1_000 }));
    put(table, flowOf(2, { deadlineMs: START_MS + 2_000 }));
    expect(table.poll(START_MS + 1_500)).toBe(1);
    expect(table.poll(START_MS - 1_000_000)).toBe(0);
    expect(table.status(handle)).toBe(FlowStatus.Expired);
    put(table, flowOf(3, { deadlineMs: START_MS + 1_200 }), START_MS - 1_000_000);
    expect(table.poll(START_MS - 1_000_000)).toBe(1);
    expect(table.poll(START_MS + 2_000)).toBe(1);
  });
});

describe('a clock that runs for years', () => {
  test('a flow expires on time on both sides of every wrap of every level', () => {
    for (const wrap of WRAPS) {
      // The table began long before the wrap, just before it, and just behind the one before.
      for (const startMs of [START_MS, wrap - 3, 7 * wrap - 2]) {
        const table = newTable(startMs);
        const edgeMs = startMs + wrap;
        for (let n = 0; n < 5; n++) put(table, flowOf(n, { deadlineMs: edgeMs - 2 + n }), startMs);
        for (let n = 0; n < 5; n++) {
          expect(table.poll(edgeMs - 3 + n)).toBe(n === 0 ? 0 : 1);
          expect(findBoth(table, flowOf(n), edgeMs - 3 + n)).not.toBe(NONE);
          expect(table.activeSize).toBe(5 - n);
        }
        expect(table.poll(edgeMs + 2)).toBe(1);
      }
    }
  });

  test('one and the same table goes on for 60 years, a window at a time', () => {
    const table = newTable();
    const { slot } = put(table, flowOf(0, { deadlineMs: Number.POSITIVE_INFINITY }));
    let nowMs = START_MS;
    for (let n = 1; nowMs < START_MS + 60 * YEAR_MS; n++) {
      const dueMs = nowMs + 2 ** 30 + (n % 7) - 3;
      const { handle } = put(table, flowOf(n, { deadlineMs: dueMs }), nowMs);
      expect(table.poll(dueMs - 1)).toBe(0);
      expect([table.poll(dueMs), table.due[0]]).toEqual([1, handle]);
      table.remove(table.expiredSlotOf(handle));
      nowMs = dueMs;
    }
    expect(findBoth(table, flowOf(0), nowMs)).toBe(slot);
    expect(table.size).toBe(1);
  });

  test('deadlines beyond the wheel keep their flow until then, and can come closer', () => {
    const table = newTable();
    const far = put(table, flowOf(1, { deadlineMs: START_MS + 10 * YEAR_MS }));
    const nearer = put(table, flowOf(2, { deadlineMs: START_MS + 20 * YEAR_MS }));
    table.extend(nearer.slot, START_MS + 10);
    expect([table.poll(START_MS + 10), table.due[0]]).toEqual([1, nearer.handle]);
    expect(table.poll(START_MS + 10 * YEAR_MS - 1)).toBe(0);
    expect(table.status(far.handle)).toBe(FlowStatus.Active);
    expect([table.poll(START_MS + 10 * YEAR_MS), table.due[0]]).toEqual([1, far.handle]);
  });
});
