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
 *            +-- another gap -+----- no answer to a row ----+
 * ```
 *
 * Both passes walk the table in its own order and look at a row's last packet, which is there in
 * any case: no list in the order of use has to be kept, and a packet costs nothing more.
 *
 * Whole blocks at a time: with a row go all that stand on the same block of outside ports. They
 * live in one shard, so their questions share script calls.
 */
import {
  BLOCK_PORTS,
  blockOfPort,
  type ClusterConfig,
  firstPortOfBlock,
  identityEquals,
} from '@flowstore/flow';
import type { FindResult } from '@flowstore/flow-store';
import { type Handle, NONE } from '@flowstore/flow-table';
import { blockNumber } from './block-number.ts';
import type { GatewayCounters } from './counters.ts';
import type { FlowCache } from './flow-cache.ts';
import type { FlowReporter } from './flow-reporter.ts';
import type { GatewayLimits } from './limits.ts';
import type { Restorer } from './restorer.ts';
import type { StoreOutbox } from './store-outbox.ts';

/** Rows looked at per tick, covered ones included. */
const ROWS_PER_TICK_MAX = 4_096;
const ALL = Number.NEGATIVE_INFINITY;

export interface ReconfirmerOptions {
  readonly cache: FlowCache;
  readonly outbox: StoreOutbox;
  readonly restorer: Restorer;
  readonly reporter: FlowReporter;
  readonly limits: GatewayLimits;
  readonly counters: GatewayCounters;
  readonly config: ClusterConfig;
}

export class Reconfirmer {
  readonly #cache: FlowCache;
  readonly #outbox: StoreOutbox;
  readonly #restorer: Restorer;
  readonly #reporter: FlowReporter;
  readonly #limits: GatewayLimits;
  readonly #counters: GatewayCounters;
  readonly #cacheLeaseMs: number;
  /** The pass under way: the slot that it has come to. */
  #at: number | undefined;
  /** Pass 1 takes rows that were seen since then, pass 2 takes all. */
  #seenSinceMs = ALL;
  /** A gap came behind pass 1: it has to be gone through once more. */
  #again = false;
  /** Something was not answered: after pass 2 all is gone through once more. */
  #missed = false;
  #asked = 0;
  /** The rows of the block that is being asked about, those still to come. */
  readonly #next: { handle: Handle; block: number }[] = [];
  /** Blocks with rows that wait in `next` or for an answer, and how many. */
  readonly #blocks = new Map<number, number>();

  constructor(options: ReconfirmerOptions) {
    const { cache, outbox, restorer, reporter, limits, counters, config } = options;
    this.#cacheLeaseMs = config.cacheLeaseMs;
    this.#cache = cache;
    this.#outbox = outbox;
    this.#restorer = restorer;
    this.#reporter = reporter;
    this.#limits = limits;
    this.#counters = counters;
  }

  start(nowMs: number): void {
    if (this.#at !== undefined && this.#seenSinceMs !== ALL) this.#again = true;
    else this.#begin(nowMs);
  }

  tick(nowMs: number): void {
    for (let rows = 0; rows < ROWS_PER_TICK_MAX; rows++) {
      if (this.#asked >= this.#limits.reconfirmInFlightMax) return;
      const next = this.#next.pop();
      if (next !== undefined) this.#confirm(next.handle, next.block);
      else if (this.#at === undefined) return;
      else this.#step(this.#at, nowMs);
    }
  }

  /** Goes on to the next row of the table. */
  #step(at: number, nowMs: number): void {
    const { table } = this.#cache;
    const slot = table.nextSlot(at);
    if (slot === NONE) {
      this.#endPass(nowMs);
      return;
    }
    this.#at = slot;
    const isWanted = table.isActive(slot) && table.seenMs(slot) >= this.#seenSinceMs;
    if (isWanted && !this.#cache.isCovered(slot)) this.#takeBlock(slot, nowMs);
  }

  /** All rows on the block of this one that are not covered. */
  #takeBlock(slot: number, nowMs: number): void {
    const { table } = this.#cache;
    const protocol = table.protocol(slot);
    const address = table.outsideAddress(slot);
    const block = blockNumber(protocol, address, table.outsidePort(slot));
    if (this.#blocks.has(block)) return;
    const first = firstPortOfBlock(blockOfPort(table.outsidePort(slot)));
    for (let port = first; port < first + BLOCK_PORTS; port++) {
      for (const row of this.#cache.slotsOf(protocol, address, port, null, nowMs)) {
        if (!table.isActive(row) || this.#cache.isCovered(row)) continue;
        this.#next.push({ handle: table.handleOf(row), block });
        this.#blocks.set(block, (this.#blocks.get(block) ?? 0) + 1);
      }
    }
  }

  /** One row of the block less to be waited for. */
  #leaveBlock(block: number): void {
    const left = this.#blocks.get(block)! - 1;
    if (left > 0) this.#blocks.set(block, left);
    else this.#blocks.delete(block);
  }

  #begin(nowMs: number): void {
    this.#at = 0;
    this.#again = false;
    this.#missed = false;
    this.#seenSinceMs = nowMs - this.#cacheLeaseMs;
  }

  #endPass(nowMs: number): void {
    const isLast = this.#seenSinceMs === ALL;
    if (this.#again || (isLast && this.#missed)) this.#begin(nowMs);
    else if (isLast) this.#at = undefined;
    else {
      this.#at = 0;
      this.#seenSinceMs = ALL;
    }
  }

  #confirm(handle: Handle, block: number): void {
    // What it saw since the last report goes on its own; here is asked whether the entry still is.
    const slot = this.#cache.table.slotOf(handle);
    if (slot === NONE) {
      this.#leaveBlock(block);
      return;
    }
    const inside = this.#cache.insideOf(slot);
    const remote = this.#cache.remoteOf(slot);
    const request = { direction: 'inside', inside, remote } as const;
    const queued = this.#outbox.ask(
      'find',
      () => request,
      (result, sentMs, answeredMs) => this.#onFound(handle, block, result, sentMs, answeredMs),
    );
    if (queued) {
      this.#asked++;
      return;
    }
    this.#leaveBlock(block);
    this.#missed = true;
  }

  /** A row that idles asks nothing itself, and what the store lost of it has to be told again. */
  #miss(nowMs: number): void {
    if (this.#at === undefined) this.#begin(nowMs);
    else this.#missed = true;
  }

  #onFound(
    handle: Handle,
    block: number,
    result: FindResult | null,
    sentMs: number,
    nowMs: number,
  ): void {
    this.#asked--;
    this.#leaveBlock(block);
    const slot = this.#cache.table.slotOf(handle);
    if (result === null) this.#miss(nowMs);
    if (slot === NONE || result === null) return;
    const remote = this.#cache.remoteOf(slot);
    const found = result.kind === 'entry' ? result.entry : null;
    const flow = remote === null ? found?.binding : found?.flow;
    this.#counters.reconfirmed++;
    const isSame = flow && identityEquals(flow.identity, this.#cache.identityOf(slot));
    if (found !== null && isSame) {
      const held = this.#cache.install(found, remote, sentMs, nowMs);
      if (held === NONE || !this.#cache.isUnderReported(held)) return;
      if (!this.#reporter.touch(held, nowMs)) this.#miss(nowMs);
    } else if (result.kind === 'no') this.#cache.table.remove(slot);
    // In grace it is for us to say what was there, or what was seen of it before another opening.
    // Out of grace this comes to nothing, and what was found is the truth.
    else {
      this.#restorer.restore(slot, nowMs, (outcome, answeredMs) => {
        if (outcome === 'noAnswer') this.#miss(answeredMs);
        else if (outcome === 'lost' && found !== null && flow) {
          this.#cache.install(found, remote, sentMs, answeredMs);
        }
      });
    }
  }
}
