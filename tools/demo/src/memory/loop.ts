/**
 * One loop on the main thread moves everything: each turn lets each part take one step, so a packet
 * that crosses the network is somewhere on the way between most turns, where a kill can meet it.
 * While packets move, turns follow each other at once; else one comes each IDLE_MS.
 */
export interface Part {
  /** Returns how many frames it moved. */
  step(nowMs: number): number;
}

interface Waiter {
  readonly holds: () => boolean;
  readonly what: string;
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const IDLE_MS = 2;

export class Loop {
  readonly clock: () => number;
  readonly #parts: readonly Part[];
  readonly #signal: AbortSignal;
  #waiters: Waiter[] = [];
  #cancelTurn: () => void = () => {};
  #error: unknown = null;
  readonly #onAbort = () => this.#fail(this.#signal.reason);

  constructor(parts: readonly Part[], clock: () => number, signal: AbortSignal) {
    this.#parts = parts;
    this.clock = clock;
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort);
    this.#later(0);
  }

  /** Resolves between two turns once `holds` does; rejects after `withinMs`, or on abort. */
  until(holds: () => boolean, withinMs: number, what: string): Promise<void> {
    if (this.#error !== null) return Promise.reject(this.#error);
    const deadlineMs = this.clock() + withinMs;
    return new Promise((resolve, reject) => {
      this.#waiters.push({ holds, what, deadlineMs, resolve, reject });
    });
  }

  stop(): void {
    this.#cancelTurn();
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#waiters = [];
  }

  #turn(): void {
    const nowMs = this.clock();
    let frames = 0;
    try {
      for (const part of this.#parts) frames += part.step(nowMs);
      this.#settle(nowMs);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#later(frames);
  }

  #later(frames: number): void {
    // A part may have brought the abort about itself.
    if (this.#error !== null) return;
    if (frames > 0) {
      const next = setImmediate(() => this.#turn());
      this.#cancelTurn = () => clearImmediate(next);
    } else {
      const next = setTimeout(() => this.#turn(), IDLE_MS);
      this.#cancelTurn = () => clearTimeout(next);
    }
  }

  #settle(nowMs: number): void {
    for (const waiter of [...this.#waiters]) {
      const holds = waiter.holds();
      if (!holds && nowMs < waiter.deadlineMs) continue;
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      if (holds) waiter.resolve();
      else waiter.reject(new Error(`waited in vain for ${waiter.what}`));
    }
  }

  #fail(error: unknown): void {
    this.#error = error;
    this.#cancelTurn();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
