/**
 * How much one sweep call may look at, so that it holds the server no longer than it is told to:
 * nearly all calls, not half of them.
 *
 * ```
 * us per look   `--.._           ,-.._       a call was slow: the estimate rises by a tenth,
 *                     `--..,-..,-'    `--.   it was not: it falls by a hundredth,
 *                                         \   and faster where no call was slow for long
 * ```
 *
 * So one call of ten lies above the estimate; what is planned leaves room for those. A server that
 * is itself kept waiting (for its core, by others) makes few calls long, whatever their size: to
 * follow the slowest of a hundred would make all calls small and gain nothing. The server says how
 * long it was held; where it does not, round trips are taken for it.
 */

/** Two blocks: below, what a call costs by itself is most of it. Where calls begin. */
export const LOOKS_MIN = 32;
/** Of the time a call may take, what is planned. */
const PLANNED_SHARE = 0.6;
const RISE = 1.1;
const FALL = 0.99;
const FAST_FALL = 0.95;
/** So many calls without a slow one, and the estimate is far too high. */
const QUIET_CALLS = 32;
/** A call that did much less than it was allowed says little about those that do it all. */
const TELLING_SHARE = 0.5;

export interface CallSizeOptions {
  readonly holdMsMax: number;
  readonly looksMax: number;
}

export class CallSize {
  readonly #options: CallSizeOptions;
  #lookMs: number;
  #quietCalls = QUIET_CALLS;

  constructor(options: CallSizeOptions) {
    this.#options = options;
    this.#lookMs = this.#plannedMs / LOOKS_MIN;
  }

  get #plannedMs(): number {
    return PLANNED_SHARE * this.#options.holdMsMax;
  }

  looks(): number {
    const fitting = Math.floor(this.#plannedMs / this.#lookMs);
    return Math.min(this.#options.looksMax, Math.max(LOOKS_MIN, fitting));
  }

  /** What a call looked at, and how long it held the server. */
  note(looks: number, heldMs: number): void {
    if (looks < TELLING_SHARE * this.looks()) return;
    const { looksMax } = this.#options;
    if (heldMs / looks > this.#lookMs) {
      this.#lookMs = Math.min(this.#lookMs * RISE, this.#plannedMs / LOOKS_MIN);
      this.#quietCalls = 0;
    } else {
      const fall = this.#quietCalls < QUIET_CALLS ? FALL : FAST_FALL;
      this.#lookMs = Math.max(this.#lookMs * fall, this.#plannedMs / (looksMax + 1));
      this.#quietCalls += 1;
    }
  }
}
