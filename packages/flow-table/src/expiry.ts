/**
 * The expiry strategy: what finds the rows whose deadline has passed. The wheel is one; others
 * can be measured against it.
 */
export interface Expiry {
  /**
   * Rows that takeDue may still look at before it stops: every poll sets it, which is what bounds
   * a poll when a bucket of a million rows has to be looked through.
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

  /** When takeDue should be asked next; Infinity when nothing is armed. */
  nextDueMs(): number;
}
