/**
 * After a gap in a feed nobody knows what happened to the entries of its shard: they are confirmed
 * in the background, one walk through the table for all shards that had a gap, at a pace that the
 * store can bear. Entries that are used before their turn ask for themselves once they are no
 * longer fresh.
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

export class Reconfirmer {
  readonly #cache: FlowCache;
  readonly #outbox: StoreOutbox;
  readonly #restorer: Restorer;
  readonly #limits: GatewayLimits;
  readonly #counters: GatewayCounters;
  /** The walk under way: the slot it has come to. */
  #at: number | undefined;
  /** A gap came behind the walk: it has to go round once more. */
  #again = false;
  #asked = 0;

  constructor(
    cache: FlowCache,
    outbox: StoreOutbox,
    restorer: Restorer,
    limits: GatewayLimits,
    counters: GatewayCounters,
  ) {
    this.#cache = cache;
    this.#outbox = outbox;
    this.#restorer = restorer;
    this.#limits = limits;
    this.#counters = counters;
  }

  start(): void {
    if (this.#at === undefined) this.#at = 0;
    else this.#again = true;
  }

  tick(): void {
    if (this.#at === undefined) return;
    const { table } = this.#cache;
    for (let rows = 0; rows < ROWS_PER_TICK_MAX; rows++) {
      if (this.#asked >= this.#limits.reconfirmInFlightMax) return;
      const slot = table.nextSlot(this.#at);
      if (slot === NONE) {
        this.#at = this.#again ? 0 : undefined;
        this.#again = false;
        return;
      }
      this.#at = slot;
      if (table.isActive(slot) && !this.#cache.isCovered(slot)) this.#confirm(slot);
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
