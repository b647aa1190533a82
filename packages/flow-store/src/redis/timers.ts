/** The one place of this package that sets a timer. Tests pass timers of their own. */
export interface Timers {
  /** Calls `late` once after `delayMs`, unless the function it returns was called before. */
  after(delayMs: number, late: () => void): () => void;
}

export const systemTimers: Timers = {
  after(delayMs, late) {
    const timer = setTimeout(late, delayMs);
    return () => clearTimeout(timer);
  },
};
