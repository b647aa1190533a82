/** What was checked and what failed. The first failure ends a run: the rest is consequence. */
export const INVARIANTS = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8'] as const;
export type Invariant = (typeof INVARIANTS)[number];

export interface Failure {
  /** `crash`: what was tested threw an error. */
  readonly invariant: Invariant | 'crash';
  readonly atMs: number;
  readonly text: string;
}

export class Checks {
  readonly counts: Record<Invariant, number> = {
    I1: 0,
    I2: 0,
    I3: 0,
    I4: 0,
    I5: 0,
    I6: 0,
    I7: 0,
    I8: 0,
  };
  failure: Failure | null = null;
  readonly #nowMs: () => number;
  readonly #onFailure: () => void;

  constructor(nowMs: () => number, onFailure: () => void) {
    this.#nowMs = nowMs;
    this.#onFailure = onFailure;
  }

  crash(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    // Its first lines say where; the rest is the simulator's own stack.
    const [what = '', where = ''] = text.split('\n');
    const place = /[\w-]+\.ts:\d+/.exec(where)?.[0] ?? '';
    this.failure ??= { invariant: 'crash', atMs: this.#nowMs(), text: `${what} (${place})` };
    this.#onFailure();
  }

  /** Counts a check; `text` is only asked for when it failed. */
  check(invariant: Invariant, holds: boolean, text: () => string): void {
    this.counts[invariant]++;
    if (holds || this.failure !== null) return;
    this.failure = { invariant, atMs: this.#nowMs(), text: text() };
    this.#onFailure();
  }
}
