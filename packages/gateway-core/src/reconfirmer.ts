/**
 * After a gap in a feed nobody knows what happened to the entries of its shard: they are confirmed
 * in the background, for all shards that had a gap together, at a pace that the store can bear.
 * Entries that are used before their turn ask for themselves once they are no longer fresh.
 *
 * Recently used first: what was used within the last cache lease is likely to be used again before
 * it would be asked about anyway, so it goes first; what idles may wait.
 *
 * ```
 *   gap --> pass 1: rows seen within a cache lease --> pass 2: the others --> done
 *            ^                |                             |
 *            +-- another gap -+-----------------------------+
 * ```
 *
 * Both passes walk the table in its own order and look at a row's last packet, which is there in
 * any case: no list in the order of use has to be kept, and a packet costs nothing more.
 */
import type { FindResult } from '@flowstore/flow-store';
import { type Handle, NONE } from '@flowstore/flow-table';
import type { GatewayCounters } from './counters.ts';
import type { FlowCache } from './flow-cache.ts';
import type { GatewayLimits } from './limits.ts';
import type { Restorer } from './restorer.ts';
import type { StoreOutbox } from './store-outbox.ts';

/** Rows looked at per tick, covered ones included. */
const ROWS_PER_TICK_MAX = 4_096;
const ALL = Number.NEGATIVE_INFINITY;

export class Reconfirmer {
  readonly #cache: FlowCache;
  readonly #outbox: StoreOutbox;
  readonly #restorer: Restorer;
  readonly #limits: GatewayLimits;
  readonly #counters: GatewayCounters;
  readonly #cacheLeaseMs: number;
  /** The pass under way: the slot that it has come to. */
  #at: number | undefined;
  /** Pass 1 takes rows that were seen since then, pass 2 takes all. */
  #seenSinceMs = ALL;
  /** A gap came behind pass 1: it has to be gone through once more. */
  #again = false;
  #asked = 0;

  constructor(
    cache: FlowCache,
    outbox: StoreOutbox,
    restorer: Restorer,
    limits: GatewayLimits,
    counters: GatewayCounters,
    cacheLeaseMs: number,
  ) {
    this.#cacheLeaseMs = cacheLeaseMs;
    this.#cache = cache;
    this.#outbox = outbox;
    this.#restorer = restorer;
    this.#limits = limits;
    this.#counters = counters;
  }

  start(nowMs: number): void {
    if (this.#at !== undefined && this.#seenSinceMs !== ALL) this.#again = true;
    else this.#begin(nowMs);
  }

  tick(nowMs: number): void {
    if (this.#at === undefined) return;
    const { table } = this.#cache;
    for (let rows = 0; rows < ROWS_PER_TICK_MAX; rows++) {
      if (this.#asked >= this.#limits.reconfirmInFlightMax) return;
      const slot = table.nextSlot(this.#at);
      if (slot === NONE) {
        this.#endPass(nowMs);
        return;
      }
      this.#at = slot;
      const isWanted = table.isActive(slot) && table.seenMs(slot) >= this.#seenSinceMs;
      if (isWanted && !this.#cache.isCovered(slot)) this.#confirm(slot);
    }
  }

  #begin(nowMs: number): void {
    this.#at = 0;
    this.#again = false;
    this.#seenSinceMs = nowMs - this.#cacheLeaseMs;
  }

  #endPass(nowMs: number): void {
    if (this.#again) this.#begin(nowMs);
    else if (this.#seenSinceMs === ALL) this.#at = undefined;
    else {
      this.#at = 0;
      this.#seenSinceMs = ALL;
    }
  }

  #confirm(slot: number): void {
    // What it saw since the last report goes on its own; here is asked whether the entry still is.
    const handle = this.#cache.table.handleOf(slot);
    const inside = this.#cache.insideOf(slot);
    const remote = this.#cache.remoteOf(slot);
    const request = { direction: 'inside', inside, remote } as const;
    const queued = this.#outbox.ask(
      'find',
      () => request,
      (result, sentMs, answeredMs) => this.#onFound(handle, result, sentMs, answeredMs),
    );
    if (queued) this.#asked++;
  }

  #onFound(handle: Handle, result: FindResult | null, sentMs: number, nowMs: number): void {
    this.#asked--;
    const slot = this.#cache.table.slotOf(handle);
    // Without an answer the entry lives until its lease runs out, and asks when it is used.
    if (slot === NONE || result === null) return;
    const remote = this.#cache.remoteOf(slot);
    const found = result.kind === 'entry' ? result.entry : null;
    const flow = remote === null ? found?.binding : found?.flow;
    this.#counters.reconfirmed++;
    if (found !== null && flow) this.#cache.install(found, remote, sentMs, nowMs);
    else if (result.kind === 'no') this.#cache.table.remove(slot);
    // In grace: it is for us to say what was there. Out of it this comes to nothing.
    else this.#restorer.restore(slot, nowMs, () => {});
  }
}
