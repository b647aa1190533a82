import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Lists } from './lists.ts';
import { NONE } from './none.ts';
import { Rows } from './rows.ts';
import { WHEEL_LISTS, Wheel } from './wheel.ts';

const SLOTS = 2_000;
const WINDOW_MS = 2 ** 30;
const WINDOWS_MAX = 34;

class Rig {
  readonly rows = new Rows(SLOTS);
  readonly wheel: Wheel;

  constructor(nowMs = 0) {
    this.wheel = new Wheel(new Lists(SLOTS, WHEEL_LISTS), this.rows, nowMs);
  }

  arm(slot: number, deadlineMs: number): void {
    this.rows.setDeadlineMs(slot, deadlineMs);
    this.wheel.arm(slot);
  }

  poll(nowMs: number, stepsMax = 1_000_000): number[] {
    this.wheel.stepsLeft = stepsMax;
    const due: number[] = [];
    for (let slot = this.wheel.takeDue(nowMs); slot !== NONE; slot = this.wheel.takeDue(nowMs)) {
      due.push(slot);
    }
    return due;
  }
}

/** Deadlines around every level's edges, and beyond the window. */
const distance = fc.oneof(
  fc.nat(70),
  fc.nat(40_000),
  fc.nat(2 ** 31 - 1),
  fc
    .tuple(fc.constantFrom(5, 10, 15, 20, 25, 30), fc.integer({ min: 1, max: 33 }), fc.nat(2))
    .map(([bits, digit, offset]) => digit * 2 ** bits + offset - 1),
);

describe('the wheel', () => {
  test('fires every timer at the first poll at or after its deadline, never before', () => {
    const run = fc.property(
      fc.nat(2 ** 31 - 1),
      fc.array(distance, { minLength: 1, maxLength: 60 }),
      fc.array(distance, { minLength: 1, maxLength: 60 }),
      (startMs, deadlines, steps) => {
        const rig = new Rig(startMs);
        const waiting = new Map(deadlines.map((after, i) => [i + 1, startMs + after]));
        for (const [slot, deadlineMs] of waiting) rig.arm(slot, deadlineMs);
        let nowMs = startMs;
        for (const step of steps) {
          nowMs += step;
          const expected = [...waiting].filter(([, deadlineMs]) => deadlineMs <= nowMs);
          expect(rig.poll(nowMs).sort()).toEqual(expected.map(([slot]) => slot).sort());
          for (const [slot] of expected) waiting.delete(slot);
          const earliestMs = Math.min(...waiting.values(), Number.POSITIVE_INFINITY);
          expect(rig.wheel.nextDueMs()).toBeLessThanOrEqual(earliestMs);
          expect(rig.wheel.nextDueMs()).toBeGreaterThan(nowMs);
        }
      },
    );
    fc.assert(run, { numRuns: 3_000 });
  });

  test('fires every timer when it is polled exactly when it asks for it', () => {
    const run = fc.property(fc.array(distance, { minLength: 1, maxLength: 40 }), (deadlines) => {
      const rig = new Rig(5);
      deadlines.forEach((after, i) => {
        rig.arm(i + 1, 5 + after);
      });
      let polls = 0;
      let fired = 0;
      for (let nowMs = 5; nowMs < Number.POSITIVE_INFINITY; nowMs = rig.wheel.nextDueMs()) {
        for (const slot of rig.poll(nowMs)) {
          fired++;
          expect(rig.rows.deadlineMs(slot)).toBe(Math.max(nowMs, 5));
        }
        polls++;
      }
      expect(fired).toBe(deadlines.length);
      // Each timer comes down the levels once; a window's end is one poll for all beyond it.
      expect(polls).toBeLessThanOrEqual(1 + WINDOWS_MAX + deadlines.length * 7);
    });
    fc.assert(run, { numRuns: 1_000 });
  });

  test('fires on fractions of a ms no earlier than the deadline, and less than 1 ms late', () => {
    const rig = new Rig(10.25);
    rig.arm(1, 12.5);
    expect(rig.poll(12.49)).toEqual([]);
    expect(rig.poll(13)).toEqual([1]);
    rig.arm(2, 13);
    expect(rig.poll(13.1)).toEqual([2]);
  });

  test('cascades through every level', () => {
    const rig = new Rig();
    const deadlineMs = 2 ** 30 - 1;
    rig.arm(1, deadlineMs);
    for (const bits of [25, 20, 15, 10, 5]) {
      expect(rig.wheel.nextDueMs()).toBe(2 ** 30 - 2 ** bits);
      expect(rig.poll(rig.wheel.nextDueMs())).toEqual([]);
    }
    expect(rig.wheel.nextDueMs()).toBe(deadlineMs);
    expect(rig.poll(deadlineMs)).toEqual([1]);
    expect(rig.wheel.nextDueMs()).toBe(Number.POSITIVE_INFINITY);
  });

  test('runs past its window many times', () => {
    const rig = new Rig();
    for (let window = 0; window < 50; window++) {
      const edgeMs = window * WINDOW_MS;
      rig.arm(1, edgeMs + WINDOW_MS - 1);
      rig.arm(2, edgeMs + WINDOW_MS);
      rig.arm(3, edgeMs + WINDOW_MS + 1);
      expect(rig.poll(edgeMs + WINDOW_MS - 2)).toEqual([]);
      expect(rig.poll(edgeMs + WINDOW_MS - 1)).toEqual([1]);
      expect(rig.poll(edgeMs + WINDOW_MS)).toEqual([2]);
      expect(rig.poll(edgeMs + WINDOW_MS + 1)).toEqual([3]);
    }
  });

  test('parks what is beyond reach, for years or for ever', () => {
    const rig = new Rig();
    const yearMs = 365 * 86_400_000;
    rig.arm(1, 10 * yearMs);
    rig.arm(2, Number.POSITIVE_INFINITY);
    expect(rig.poll(10 * yearMs - 1)).toEqual([]);
    expect(rig.poll(10 * yearMs)).toEqual([1]);
    expect(rig.poll(1_000_000 * yearMs)).toEqual([]);
  });

  test('takes a jump of the clock in bounded steps, and goes on where it stopped', () => {
    const rig = new Rig();
    for (let slot = 1; slot < SLOTS; slot++) rig.arm(slot, slot * 977);
    const fired: number[] = [];
    let polls = 0;
    while (fired.length < SLOTS - 1) {
      const due = rig.poll(5_000_000, 50);
      expect(due.length).toBeLessThanOrEqual(50);
      fired.push(...due);
      polls++;
      if (fired.length < SLOTS - 1) expect(rig.wheel.nextDueMs()).toBeLessThanOrEqual(5_000_000);
    }
    expect(new Set(fired).size).toBe(SLOTS - 1);
    // What is due already is not carried down the levels first.
    expect(polls).toBe(Math.ceil((SLOTS - 1) / 50));
  });

  test('looks through a bucket that was extended as a whole in bounded steps, too', () => {
    const rig = new Rig();
    for (let slot = 1; slot < SLOTS; slot++) {
      rig.arm(slot, 100);
      rig.rows.setDeadlineMs(slot, 10_000);
    }
    for (let polls = 0; polls * 100 < SLOTS; polls++) expect(rig.poll(100, 100)).toEqual([]);
    expect(rig.wheel.nextDueMs()).toBeGreaterThan(100);
    expect(rig.poll(10_000).length).toBe(SLOTS - 1);
  });

  test('a disarmed timer never fires, wherever it was', () => {
    const run = fc.property(
      fc.array(fc.tuple(distance, fc.boolean()), { minLength: 1, maxLength: 60 }),
      distance,
      (timers, halfwayMs) => {
        const rig = new Rig();
        timers.forEach(([after], i) => {
          rig.arm(i + 1, after);
        });
        const fired = new Set(rig.poll(halfwayMs, 20));
        const expected: number[] = [];
        timers.forEach(([, disarms], i) => {
          if (fired.has(i + 1)) return;
          if (disarms) rig.wheel.disarm(i + 1);
          else expected.push(i + 1);
        });
        expect(rig.poll(WINDOWS_MAX * WINDOW_MS).sort()).toEqual(expected.sort());
        expect(rig.wheel.nextDueMs()).toBe(Number.POSITIVE_INFINITY);
      },
    );
    fc.assert(run, { numRuns: 1_000 });
  });
});
