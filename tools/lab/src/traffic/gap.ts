// The longest time without a sign of life, in milliseconds of a monotonic clock.

export class GapMeter {
  #lastMs: number;
  #longestMs = 0;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  /** Something arrived. */
  mark(nowMs: number): void {
    this.#longestMs = this.longestMs(nowMs);
    this.#lastMs = nowMs;
  }

  /** Counts the silence that still lasts: a stream that died has a gap up to now. */
  longestMs(nowMs: number): number {
    return Math.max(this.#longestMs, nowMs - this.#lastMs);
  }
}

export const roundMs = (ms: number): number => Math.round(ms * 10) / 10;
