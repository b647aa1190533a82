/**
 * A hierarchical timing wheel (Varghese and Lauck 1987; levels as in Tokio's): 6 levels of 32
 * buckets, ticks of 1 ms, one list node per armed slot and no object at all.
 *
 * ```
 *  window: 2^30 ms, some 12 days                                      far: all later windows
 *  +---------------------------------------------------------------+  +--------------------+
 *  level 5   | 32 buckets of 2^25 ms, 9.3 h each |                    | one list           |
 *  level 4   | 32 buckets of 2^20 ms, 17 min     |                    +--------------------+
 *  level 3   | 32 buckets of 2^15 ms, 33 s       |
 *  level 2   | 32 buckets of 1,024 ms            |                 ready: the bucket whose turn
 *  level 1   | 32 buckets of 32 ms               |                 it is, and what was due when
 *  level 0   | 32 buckets of 1 ms                |                 it was armed
 *                    ^ tick: every earlier one is done
 * ```
 *
 * A slot's level is the highest 5-bit digit in which its tick differs from the wheel's (XOR, then
 * count leading zeros); its bucket there is that digit. When the wheel reaches a bucket, it moves
 * to `ready` in O(1); its rows are then looked at one by one: due ones are handed out, others are
 * armed again by the deadline that they have now.
 *
 * A bucket behind the wheel's own digit cannot be occupied, so there is no wrap-around hazard as
 * in wheels whose top level goes round: what lies beyond the window waits in `far`, and is dealt
 * out when the next window begins.
 *
 * Ticks of 1 ms make timers exact for clocks of whole milliseconds, and cost one level more than
 * 10 ms would: one more move in a flow's life.
 */
import type { Expiry } from './expiry.ts';
import type { Lists } from './lists.ts';
import { NONE } from './none.ts';
import type { Rows } from './rows.ts';

const LEVELS = 6;
const LEVEL_BITS = 5;
const LEVEL_BUCKETS = 1 << LEVEL_BITS;
const DIGIT = LEVEL_BUCKETS - 1;
const BUCKETS = LEVELS * LEVEL_BUCKETS;
const WINDOW_TICKS = 2 ** (LEVELS * LEVEL_BITS);
const FAR = BUCKETS;
const READY = BUCKETS + 1;
/** How many lists a wheel uses: 0 to WHEEL_LISTS - 1 of the lists that it is given. */
export const WHEEL_LISTS = BUCKETS + 2;

export class Wheel implements Expiry {
  stepsLeft = 0;
  readonly #lists: Lists;
  readonly #rows: Rows;
  /** Which buckets of a level are occupied, a bit each. */
  readonly #occupied = new Int32Array(LEVELS);
  /** Whole ms, so that a tick is reached exactly when its deadline is. */
  readonly #startMs: number;
  /** Where the window begins, in ticks since the start. */
  #windowTick = 0;
  /** The next tick to be done, relative to the window: a 30-bit integer. */
  #tick = 0;
  #nowMs: number;

  constructor(lists: Lists, rows: Rows, nowMs: number) {
    this.#lists = lists;
    this.#rows = rows;
    this.#startMs = Math.floor(nowMs);
    this.#nowMs = nowMs;
  }

  arm(slot: number): void {
    const dueTick = Math.ceil(this.#rows.deadlineMs(slot)) - this.#startMs - this.#windowTick;
    if (dueTick < this.#tick || dueTick >= WINDOW_TICKS) {
      this.#lists.append(dueTick < this.#tick ? READY : FAR, slot);
      return;
    }
    const differing = (dueTick ^ this.#tick) | 1;
    const level = ((31 - Math.clz32(differing)) / LEVEL_BITS) | 0;
    const digit = (dueTick >>> (level * LEVEL_BITS)) & DIGIT;
    this.#lists.append(level * LEVEL_BUCKETS + digit, slot);
    this.#occupied[level]! |= 1 << digit;
  }

  disarm(slot: number): void {
    const emptied = this.#lists.unlink(slot);
    if (emptied !== -1 && emptied < BUCKETS) this.#vacate(emptied);
  }

  takeDue(nowMs: number): number {
    this.#nowMs = nowMs;
    const nowTick = Math.floor(nowMs) - this.#startMs;
    do {
      const slot = this.#takeReady(nowMs);
      if (slot !== NONE) return slot;
    } while (this.stepsLeft > 0 && this.#turnTo(nowTick));
    return NONE;
  }

  takeStale(nowMs: number): number {
    return this.takeDue(nowMs);
  }

  nextDueMs(): number {
    if (!this.#lists.isEmpty(READY)) return this.#nowMs;
    const bucket = this.#nextBucket();
    if (bucket !== NONE) return this.#startMs + this.#windowTick + this.#bucketTick(bucket);
    if (this.#lists.isEmpty(FAR)) return Number.POSITIVE_INFINITY;
    return this.#startMs + this.#windowTick + WINDOW_TICKS;
  }

  /** Looks through `ready` for a due row; NONE when it is empty or the steps are used up. */
  #takeReady(nowMs: number): number {
    const lists = this.#lists;
    let slot = lists.first(READY);
    while (slot !== NONE && this.stepsLeft > 0) {
      this.stepsLeft--;
      lists.unlink(slot);
      if (this.#rows.deadlineMs(slot) <= nowMs) return slot;
      // Extended since, or on its way down the levels: sleeps again.
      this.arm(slot);
      slot = lists.first(READY);
    }
    return NONE;
  }

  /**
   * Turns the wheel to the next occupied bucket up to `nowTick` and moves it to `ready`; false when
   * the wheel has arrived at `nowTick` with nothing left to look at.
   */
  #turnTo(nowTick: number): boolean {
    const bucket = this.#nextBucket();
    if (bucket !== NONE) {
      const tick = this.#bucketTick(bucket);
      if (this.#windowTick + tick <= nowTick) {
        this.#tick = tick;
        this.#vacate(bucket);
        this.#lists.moveAll(bucket, READY);
        return true;
      }
    }
    const nextTick = Math.max(nowTick + 1, this.#windowTick + this.#tick);
    if (nextTick < this.#windowTick + WINDOW_TICKS) {
      this.#tick = nextTick - this.#windowTick;
      return false;
    }
    // A new window. No bucket of the old one is left: its last tick is done.
    this.#windowTick = Math.floor(nextTick / WINDOW_TICKS) * WINDOW_TICKS;
    this.#tick = nextTick - this.#windowTick;
    this.#lists.moveAll(FAR, READY);
    return !this.#lists.isEmpty(READY);
  }

  /** The occupied bucket whose turn is next, NONE when all are empty. */
  #nextBucket(): number {
    let next = NONE;
    let nextTick = WINDOW_TICKS;
    for (let level = 0; level < LEVELS; level++) {
      const bits = this.#occupied[level]!;
      if (bits === 0) continue;
      const digit = 31 - Math.clz32(bits & -bits);
      const bucket = level * LEVEL_BUCKETS + digit;
      const tick = this.#bucketTick(bucket);
      if (tick < nextTick) {
        next = bucket;
        nextTick = tick;
      }
    }
    return next;
  }

  /** When the bucket's turn comes: its first tick, or now if the wheel already stands in it. */
  #bucketTick(bucket: number): number {
    const level = bucket >>> LEVEL_BITS;
    const shift = level * LEVEL_BITS;
    const above = shift + LEVEL_BITS;
    const first = ((this.#tick >>> above) << above) | ((bucket & DIGIT) << shift);
    return Math.max(first, this.#tick);
  }

  #vacate(bucket: number): void {
    this.#occupied[bucket >>> LEVEL_BITS]! &= ~(1 << (bucket & DIGIT));
  }
}
