/**
 * Flows that are likely to come next. A packet of a flow on which both sides have spoken, and which
 * was never here, says that its way has changed: whoever carried it has no route any more, or is
 * gone. That gateway opened its flows on blocks of ports that it leased, so the flows on the same
 * block are likely to come the same way. They are asked for together, before their packets come:
 *
 * ```
 *   packet of an unknown flow --> find --> both sides have spoken --> list of the block --> rows
 * ```
 *
 * A kill that moves 5,000 flows within a second thus asks some hundreds of questions, not 5,000.
 * Nothing waits for a list: a packet that comes before it asks for itself. Where every direction
 * has a way of its own nothing is asked: the first packet of the second one comes when only one
 * side has spoken.
 */
import {
  blockOfPort,
  IN_DATA,
  ipv4ToNumber,
  OUT_DATA,
  type PortBlock,
  type SocketAddress,
} from '@flowstore/flow';
import type { ListResult, StoredEntry } from '@flowstore/flow-store';
import { NONE } from '@flowstore/flow-table';
import { blockNumber } from './block-number.ts';
import type { GatewayCounters } from './counters.ts';
import type { FlowCache } from './flow-cache.ts';
import type { FlowCanceller } from './flow-canceller.ts';
import type { GatewayLimits } from './limits.ts';
import type { StoreOutbox } from './store-outbox.ts';

const BOTH_SIDES = OUT_DATA | IN_DATA;

export interface NeighboursOptions {
  readonly cache: FlowCache;
  readonly canceller: FlowCanceller;
  readonly outbox: StoreOutbox;
  readonly limits: GatewayLimits;
  readonly counters: GatewayCounters;
}

export class Neighbours {
  readonly #options: NeighboursOptions;
  /** By number: since when a block was asked about, or waits for it. The oldest is first. */
  readonly #asked = new Map<number, number>();
  readonly #waiting: PortBlock[] = [];
  #inFlight = 0;

  constructor(options: NeighboursOptions) {
    this.#options = options;
  }

  /** Blocks that wait to be asked about. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The store answered a flow, which is about to become a row. */
  expect(entry: StoredEntry, remote: SocketAddress | null, nowMs: number): void {
    const { cache, counters, limits } = this.#options;
    const { flags } = entry.flow ?? entry.binding;
    if ((flags & BOTH_SIDES) !== BOTH_SIDES || cache.isHeld(entry, remote, nowMs)) return;
    const { protocol } = entry.inside;
    const { address, port } = entry.outside;
    const number = blockNumber(protocol, ipv4ToNumber(address), port);
    this.#forget(nowMs - limits.listAgainMs);
    if (this.#asked.has(number)) return;
    // Where the store is slow, blocks wait for longer than they are remembered.
    const blocks = Math.max(this.#asked.size, this.#waiting.length);
    if (this.#isTableFull() || blocks >= limits.listedBlocksMax) {
      counters.listsSkipped++;
      return;
    }
    this.#asked.set(number, nowMs);
    this.#waiting.push({ protocol, address, block: blockOfPort(port) });
    this.#askNext();
  }

  /** What was asked about long ago may be asked about again. */
  #forget(untilMs: number): void {
    for (const [number, sinceMs] of this.#asked) {
      if (sinceMs > untilMs) return;
      this.#asked.delete(number);
    }
  }

  /** Rows that may never be used make no room for themselves. */
  #isTableFull(): boolean {
    return this.#options.cache.table.size >= this.#options.limits.flowsHighWater;
  }

  #askNext(): void {
    const { counters, limits, outbox } = this.#options;
    while (this.#inFlight < limits.listsInFlightMax) {
      const block = this.#waiting.shift();
      if (block === undefined) return;
      const queued = outbox.ask(
        'list',
        () => block,
        (result, sentMs, answeredMs) => {
          this.#inFlight--;
          if (result !== null) this.#install(result, sentMs, answeredMs);
          this.#askNext();
        },
      );
      if (queued) {
        counters.blocksListed++;
        this.#inFlight++;
      } else counters.listsSkipped++;
    }
  }

  #install({ flows }: ListResult, sentMs: number, nowMs: number): void {
    const { cache, canceller, counters } = this.#options;
    for (const { entry, remote } of flows) {
      if (this.#isTableFull()) return;
      // What is held is known from an answer that may be later than this one.
      if (cache.isHeld(entry, remote, nowMs) || !canceller.allowsEntry(entry, remote)) continue;
      if (cache.install(entry, remote, sentMs, nowMs) !== NONE) counters.flowsForeseen++;
    }
  }
}
