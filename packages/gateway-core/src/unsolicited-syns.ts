/**
 * SYNs from outside that no binding waits for, or lets in (RFC 5382 REQ-4). The inside host may be
 * about to open the same connection (simultaneous open), and an answer would end its attempt. So
 * the sender is told nothing for 6 s; then the store is asked once more, since another gateway may
 * have seen the outbound SYN. If nobody did, the answer is ICMP 3/3.
 *
 * ```
 *   SYN, unasked --> waits 6 s --> its flow is there by then, or ---> dropped
 *                                  a binding that lets it in
 *                                  the store does not say ----------> dropped
 *                                  none ----------------------------> ICMP 3/3
 * ```
 */
import type { ClusterConfig } from '@flowstore/flow';
import type { FindRequest, FindResult } from '@flowstore/flow-store';
import type { GatewayCounters } from './counters.ts';
import { type FrameMemory, Side } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import { type Notices, Reason } from './notices.ts';
import type { Policies } from './policies.ts';
import type { StoreOutbox } from './store-outbox.ts';

/** RFC 5382 REQ-4: at least 6 s. */
const SILENT_MS = 6_000;

interface Unsolicited {
  readonly memory: FrameMemory;
  readonly request: FindRequest;
  readonly dueMs: number;
}

export interface UnsolicitedSynsOptions {
  readonly config: ClusterConfig;
  readonly limits: GatewayLimits;
  readonly policies: Policies;
  readonly counters: GatewayCounters;
  readonly outbox: StoreOutbox;
  readonly notices: Notices;
}

export class UnsolicitedSyns {
  readonly #options: UnsolicitedSynsOptions;
  /** In the order in which they are due. */
  readonly #waiting: Unsolicited[] = [];

  constructor(options: UnsolicitedSynsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** The store has no binding for this SYN; `request` is what it was asked. */
  add(memory: FrameMemory, request: FindRequest, nowMs: number): void {
    const { limits, policies, counters } = this.#options;
    if (policies.unsolicitedSyns === 'silent') return;
    if (this.#waiting.length >= limits.unsolicitedSynsMax) counters.unsolicitedSynsForgotten++;
    else this.#waiting.push({ memory, request, dueMs: nowMs + SILENT_MS });
  }

  tick(nowMs: number): void {
    let due = 0;
    while (due < this.#waiting.length && this.#waiting[due]!.dueMs <= nowMs) due++;
    for (const { memory, request } of this.#waiting.splice(0, due)) {
      // With no room to ask, the sender is told nothing.
      this.#options.outbox.ask(
        'find',
        () => request,
        (result, _sentMs, answeredMs) => this.#onFound(memory, result, answeredMs),
      );
    }
  }

  #onFound(memory: FrameMemory, result: FindResult | null, nowMs: number): void {
    if (result === null || result.kind === 'notYet') return;
    const letsAllIn = this.#options.config.filtering.tcp === 'endpoint-independent';
    if (result.kind === 'entry' && (letsAllIn || result.entry.flow !== null)) return;
    this.#options.notices.tell(Side.Outside, memory, 0, Reason.NobodyThere, 0, nowMs);
  }
}
