/**
 * What an ancestor did: one setTimeout per flow. It fires by itself; the flow then waits, in the
 * order of firing, until a poll takes it.
 */
import { type Expiry, type ExpiryContext, NONE } from '@flowstore/flow-table';

/** setTimeout's longest delay; what is later wakes up on the way and sleeps again. */
const DELAY_MAX_MS = 2 ** 31 - 1;

export class AncestorTimeout implements Expiry {
  stepsLeft = 0;
  readonly #context: ExpiryContext;
  readonly #timers: (NodeJS.Timeout | undefined)[] = [];
  /** 1 while a slot whose timer fired waits in `fired`. */
  readonly #waits: Uint8Array;
  #fired: number[] = [];
  #taken = 0;
  #armed = 0;

  constructor(context: ExpiryContext) {
    this.#context = context;
    this.#waits = new Uint8Array(context.slots);
  }

  arm(slot: number): void {
    this.#armed++;
    const delayMs = Math.ceil(this.#context.deadlineMs(slot) - this.#context.nowMs());
    this.#timers[slot] = setTimeout(this.#fire, Math.min(Math.max(delayMs, 1), DELAY_MAX_MS), slot);
  }

  disarm(slot: number): void {
    this.#armed--;
    this.#waits[slot] = 0;
    clearTimeout(this.#timers[slot]);
    this.#timers[slot] = undefined;
  }

  takeDue(nowMs: number): number {
    while (this.stepsLeft > 0 && this.#taken < this.#fired.length) {
      this.stepsLeft--;
      const slot = this.#nextFired();
      // Stopped after it had fired.
      if (this.#waits[slot] === 0) continue;
      this.#waits[slot] = 0;
      this.#armed--;
      if (this.#context.deadlineMs(slot) <= nowMs) return slot;
      // Extended since, or a ms early: sleeps again.
      this.arm(slot);
    }
    return NONE;
  }

  takeStale(nowMs: number): number {
    return this.takeDue(nowMs);
  }

  /** Timers fire by themselves, so whoever polls has to look for fired ones all the time. */
  nextDueMs(): number {
    return this.#armed === 0 ? Number.POSITIVE_INFINITY : this.#context.nowMs() + 1;
  }

  #nextFired(): number {
    const slot = this.#fired[this.#taken++]!;
    if (this.#taken === this.#fired.length) {
      this.#fired = [];
      this.#taken = 0;
    }
    return slot;
  }

  readonly #fire = (slot: number): void => {
    this.#timers[slot] = undefined;
    this.#waits[slot] = 1;
    this.#fired.push(slot);
  };
}
