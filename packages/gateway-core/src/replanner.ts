/**
 * After a change of the configuration: walks once through the table, cancels the flows that the
 * rules of now leave no place for, and plans the next touch of the others by the timeouts of now.
 * What is overdue by them, and not reported, is reported; so no flow in use is taken for idle by a
 * timeout that is shorter than the one it was planned by.
 */
import { NONE } from '@flowstore/flow-table';
import { type FlowCache, PROVISIONAL } from './flow-cache.ts';
import type { FlowCanceller } from './flow-canceller.ts';
import type { FlowReporter } from './flow-reporter.ts';

/** Rows looked at per tick. */
const ROWS_PER_TICK_MAX = 4_096;

export class Replanner {
  readonly #cache: FlowCache;
  readonly #reporter: FlowReporter;
  readonly #canceller: FlowCanceller;
  /** The slot that it has come to; undefined where there is nothing to do. */
  #at: number | undefined;

  constructor(cache: FlowCache, reporter: FlowReporter, canceller: FlowCanceller) {
    this.#canceller = canceller;
    this.#cache = cache;
    this.#reporter = reporter;
  }

  get isDone(): boolean {
    return this.#at === undefined;
  }

  start(): void {
    this.#at = 0;
  }

  tick(nowMs: number): void {
    for (let rows = 0; rows < ROWS_PER_TICK_MAX && this.#at !== undefined; rows++) {
      const slot = this.#cache.table.nextSlot(this.#at);
      if (slot === NONE) this.#at = undefined;
      else if (this.#replan(slot, nowMs)) this.#at = slot;
      // No room to ask: the same row again at the next tick.
      else return;
    }
  }

  #replan(slot: number, nowMs: number): boolean {
    const { table } = this.#cache;
    if (!table.isActive(slot)) return true;
    if (!this.#canceller.allowsRow(slot)) return this.#canceller.cancelRow(slot);
    if (table.marks(slot) & PROVISIONAL) return true;
    const { lifetimes } = this.#cache;
    // The store ends it sooner now: a packet that wakes it later than that has to ask first.
    const endMs = lifetimes.replannedEndMs(slot);
    if (endMs < table.deadlineMs(slot)) table.extend(slot, endMs);
    const dueMs = lifetimes.replannedMs(slot);
    if (dueMs >= table.touchDueMs(slot)) return true;
    if (dueMs <= nowMs && this.#cache.hasNews(slot)) return this.#reporter.touch(slot, nowMs);
    table.setTouchDueMs(slot, dueMs);
    return true;
  }
}
