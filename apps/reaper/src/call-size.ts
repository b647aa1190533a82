/**
 * How much one sweep call may look at, so that it holds the server no longer than it is told to.
 *
 * The server's own clock stands still while a script runs, so the call's round trip is what is
 * measured, less that of a call that found nothing to do: what is left is the looks' work, and
 * what the server's other clients made it wait. So a busy server is asked for less at a time.
 */

/** Below, what a call costs by itself is most of it. */
export const LOOKS_MIN = 32;
/** Of the time a call may take, what is planned: the rest is for what a call costs by itself. */
const PLANNED_SHARE = 0.8;
/** Calls under this many looks say nothing about what a look takes. */
const TELLING_LOOKS_MIN = 16;
const LOOK_MS_START = 0.004;
const LOOK_MS_MIN = 0.0005;
const STEP = 0.05;

export interface CallSizeOptions {
  readonly holdMsMax: number;
  readonly looksMax: number;
}

export class CallSize {
  readonly #options: CallSizeOptions;
  #emptyMs: number | null = null;
  #lookMs = LOOK_MS_START;

  constructor(options: CallSizeOptions) {
    this.#options = options;
  }

  looks(): number {
    const { holdMsMax, looksMax } = this.#options;
    const fitting = Math.floor((PLANNED_SHARE * holdMsMax) / this.#lookMs);
    return Math.min(looksMax, Math.max(LOOKS_MIN, fitting));
  }

  /** What a call looked at, and how long its answer took. */
  note(looks: number, roundTripMs: number): void {
    if (looks === 0) {
      this.#emptyMs = follow(this.#emptyMs ?? roundTripMs, roundTripMs);
    } else if (looks >= TELLING_LOOKS_MIN) {
      const lookMs = Math.max(0, roundTripMs - (this.#emptyMs ?? 0)) / looks;
      this.#lookMs = Math.max(LOOK_MS_MIN, follow(this.#lookMs, lookMs));
    }
  }
}

/** Moves an estimate to where half of the values are below it, however far off the others are. */
function follow(estimate: number, value: number): number {
  return estimate * (value > estimate ? 1 + STEP : 1 - STEP);
}
