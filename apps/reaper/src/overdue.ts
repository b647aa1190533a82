/**
 * How far behind the sweeps are. Every reaper sees some of the shards some of the time, so a figure
 * counts only while it is fresh: who is looked after by another reaper now is not held against us.
 */

const FRESH_MS = 60_000;

export class Overdue {
  readonly #nowMs: () => number;
  readonly #byShard = new Map<number, { readonly overdueMs: number; readonly atMs: number }>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  note(shard: number, overdueMs: number): void {
    this.#byShard.set(shard, { overdueMs, atMs: this.#nowMs() });
  }

  /** The worst of the shards. */
  seconds(): number {
    const sinceMs = this.#nowMs() - FRESH_MS;
    let worstMs = 0;
    for (const { overdueMs, atMs } of this.#byShard.values()) {
      if (atMs > sinceMs) worstMs = Math.max(worstMs, overdueMs);
    }
    return worstMs / 1_000;
  }
}
