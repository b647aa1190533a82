/**
 * No timers at all: a row ends when a lookup finds it past its deadline, or when a purge comes by.
 * The purge goes round the slots like the hand of a clock, as many steps a time as it may.
 *
 * ```
 *  slots:  1 2 3 4 5 6 7 8 ...  highest ever armed
 *                ^ hand         then from 1 again
 * ```
 *
 * It costs nothing per flow but a byte. The price: nobody hears of a flow that ended unless a
 * packet of it comes, and the table stays as full as its high-water mark.
 */
import type { Expiry, ExpiryContext } from './expiry.ts';
import { NONE } from './none.ts';

export class Lazy implements Expiry {
  stepsLeft = 0;
  readonly #context: ExpiryContext;
  readonly #armed: Uint8Array;
  #highest = 0;
  #hand = 0;

  constructor(context: ExpiryContext) {
    this.#context = context;
    this.#armed = new Uint8Array(context.slots);
  }

  arm(slot: number): void {
    this.#armed[slot] = 1;
    if (slot > this.#highest) this.#highest = slot;
  }

  disarm(slot: number): void {
    this.#armed[slot] = 0;
  }

  takeDue(): number {
    return NONE;
  }

  takeStale(nowMs: number): number {
    for (; this.stepsLeft > 0; this.stepsLeft--) {
      const slot = this.#hand < this.#highest ? this.#hand + 1 : 1;
      this.#hand = slot;
      if (this.#armed[slot] !== 1 || this.#context.deadlineMs(slot) > nowMs) continue;
      this.#armed[slot] = 0;
      this.stepsLeft--;
      return slot;
    }
    return NONE;
  }

  nextDueMs(): number {
    return Number.POSITIVE_INFINITY;
  }
}
