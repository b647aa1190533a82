/** How long something went without an answer, at worst. */
export class Gap {
  longestMs = 0;
  #lastMs: number;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  /** Since the last answer. */
  silenceMs(nowMs: number): number {
    return nowMs - this.#lastMs;
  }

  answered(nowMs: number): void {
    this.longestMs = Math.max(this.longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }
}

/** Longer than this is a failure: a person would have noticed. TCP's own patience is in it. */
export const GAP_MAX_MS = 3_000;
