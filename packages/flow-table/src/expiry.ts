/**
 * The expiry strategy: what finds the rows whose deadline has passed. The wheel is one, `lazy` does
 * without timers, and others can be measured against them: see FlowTableOptions.expiry.
 */

/** What a strategy may know of its table. */
export interface ExpiryContext {
  /** Slots are 1 to slots - 1. */
  readonly slots: number;
  /** The latest instant that the table was told. */
  nowMs(): number;
  /** The deadline of an armed slot, as it is now: it may be later than when it was armed. */
  deadlineMs(slot: number): number;
}

export interface Expiry {
  /**
   * Rows that takeDue and takeStale may still look at before they stop: every poll sets it, which
   * is what bounds a poll when a bucket of a million rows has to be looked through.
   */
  stepsLeft: number;

  /** Starts the timer of a slot that has none, by its row's deadline. */
  arm(slot: number): void;

  /** Stops the timer of an armed slot. */
  disarm(slot: number): void;

  /**
   * A slot whose deadline has passed at `nowMs`, disarmed now; NONE when there is none, or when no
   * steps are left. A timer that finds its row's deadline extended goes on sleeping.
   * `nowMs` never goes backward.
   */
  takeDue(nowMs: number): number;

  /** As takeDue, for a purge: takeDue itself wherever the timers know every row that is due. */
  takeStale(nowMs: number): number;

  /** When takeDue should be asked next; Infinity when nothing is armed. */
  nextDueMs(): number;
}
