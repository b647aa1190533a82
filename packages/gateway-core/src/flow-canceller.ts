/**
 * Ends flows that the rules of now leave no place for. A change of the configuration is followed by
 * a walk through the table (Replanner), which asks here about every row; and what the store still
 * knows of such flows is met when it is looked up. Either way the flow is cancelled in the store,
 * whose feed tells everybody, and nothing of it is used here any more.
 */
import { ipv4ToNumber, type SocketAddress } from '@flowstore/flow';
import type { CloseRequest, StoredEntry } from '@flowstore/flow-store';
import type { GatewayCounters } from './counters.ts';
import { type FlowCache, PROVISIONAL } from './flow-cache.ts';
import type { StoreOutbox } from './store-outbox.ts';
import type { TranslationRules } from './translation-rules.ts';

export class FlowCanceller {
  readonly #cache: FlowCache;
  readonly #rules: TranslationRules;
  readonly #outbox: StoreOutbox;
  readonly #counters: GatewayCounters;

  constructor(options: {
    cache: FlowCache;
    rules: TranslationRules;
    outbox: StoreOutbox;
    counters: GatewayCounters;
  }) {
    this.#cache = options.cache;
    this.#rules = options.rules;
    this.#outbox = options.outbox;
    this.#counters = options.counters;
  }

  /** Whether the row may stay. A provisional one is judged when the store was told of it. */
  allowsRow(slot: number): boolean {
    const { table } = this.#cache;
    if (table.marks(slot) & PROVISIONAL) return true;
    return this.#rules.allows({
      domain: table.domain(slot),
      protocol: table.protocol(slot),
      insideAddress: table.insideAddress(slot),
      insidePort: table.insidePort(slot),
      outsideAddress: table.outsideAddress(slot),
      outsidePort: table.outsidePort(slot),
      remoteAddress: table.remoteAddress(slot),
    });
  }

  /** Whether what the store answered may be used. */
  allowsEntry({ inside, outside }: StoredEntry, remote: SocketAddress | null): boolean {
    return this.#rules.allows({
      domain: inside.domain,
      protocol: inside.protocol,
      insideAddress: ipv4ToNumber(inside.address),
      insidePort: inside.port,
      outsideAddress: ipv4ToNumber(outside.address),
      outsidePort: outside.port,
      remoteAddress: remote === null ? 0 : ipv4ToNumber(remote.address),
    });
  }

  /** Takes the row out of use, and the flow out of the store; false: there is no room to ask. */
  cancelRow(slot: number): boolean {
    const request = {
      inside: this.#cache.insideOf(slot),
      remote: this.#cache.remoteOf(slot),
      identity: this.#cache.identityOf(slot),
    };
    if (!this.#close(request)) return false;
    this.#cache.table.remove(slot);
    return true;
  }

  /** What is stored only goes with its whole binding: a next flow would join that. */
  cancelEntry({ inside, binding }: StoredEntry): void {
    this.#close({ inside, remote: null, identity: binding.identity });
  }

  #close(what: Pick<CloseRequest, 'inside' | 'remote' | 'identity'>): boolean {
    const request = { ...what, reason: 'cancel' } as const;
    const queued = this.#outbox.ask(
      'close',
      () => request,
      () => {},
    );
    if (queued) this.#counters.flowsCancelled++;
    return queued;
  }
}
