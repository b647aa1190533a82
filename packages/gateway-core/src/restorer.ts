/**
 * Puts back what this gateway holds and the store has lost. The store takes it in grace only; what
 * is stored by then wins, and the loser's copy is replaced. But where the endpoint of a connection
 * got another binding meanwhile, from a gateway that did not know of ours, and ours may still be
 * used, the store is asked to replace that very one: it does if that was opened in this grace.
 */
import { type Identity, socketAddressEquals } from '@flowstore/flow';
import type { ReassertResult } from '@flowstore/flow-store';
import { type Handle, NONE } from '@flowstore/flow-table';
import type { GatewayCounters } from './counters.ts';
import { type FlowCache, seenAt } from './flow-cache.ts';
import type { StoreOutbox } from './store-outbox.ts';

/** `held`: the table has the truth now; `lost`: the flow is no more; `noAnswer`: ask again. */
export type RestoreOutcome = 'held' | 'lost' | 'noAnswer';

export type OnRestored = (outcome: RestoreOutcome, nowMs: number) => void;

export class Restorer {
  readonly #cache: FlowCache;
  readonly #outbox: StoreOutbox;
  readonly #counters: GatewayCounters;

  constructor(cache: FlowCache, outbox: StoreOutbox, counters: GatewayCounters) {
    this.#cache = cache;
    this.#outbox = outbox;
    this.#counters = counters;
  }

  restore(slot: number, nowMs: number, onDone: OnRestored): void {
    this.#ask(this.#cache.table.handleOf(slot), null, nowMs, onDone);
  }

  #ask(handle: Handle, replaces: Identity | null, nowMs: number, onDone: OnRestored): void {
    const queued = this.#outbox.ask(
      'reassert',
      (sendMs) => {
        const request = this.#build(handle, replaces, sendMs);
        // What is not sent is not answered, and packets may wait for it.
        if (request === null) onDone('lost', sendMs);
        return request;
      },
      (result, sentMs, answeredMs) => {
        const rival = replaces === null ? this.#rivalIn(handle, result, answeredMs) : null;
        if (rival !== null) this.#ask(handle, rival, answeredMs, onDone);
        else onDone(this.#onAnswer(handle, result, sentMs, answeredMs), answeredMs);
      },
    );
    if (!queued) onDone('noAnswer', nowMs);
  }

  /** The other binding that the inside endpoint has by now, while ours is good for packets. */
  #rivalIn(handle: Handle, result: ReassertResult | null, nowMs: number): Identity | null {
    if (result?.kind !== 'exists') return null;
    const slot = this.#cache.storedSlotOf(handle);
    if (slot === NONE || !this.#cache.isFresh(slot, nowMs)) return null;
    if (this.#cache.remoteOf(slot) === null) return null;
    const { outside, binding } = result.entry;
    return socketAddressEquals(outside, this.#cache.outsideOf(slot)) ? null : binding.identity;
  }

  #build(handle: Handle, replaces: Identity | null, nowMs: number) {
    const slot = this.#cache.storedSlotOf(handle);
    if (slot === NONE) return null;
    return {
      inside: this.#cache.insideOf(slot),
      remote: this.#cache.remoteOf(slot),
      outside: this.#cache.outsideOf(slot),
      identity: this.#cache.identityOf(slot),
      seen: this.#cache.wholeSighting(slot, nowMs),
      replaces,
    };
  }

  #onAnswer(
    handle: Handle,
    result: ReassertResult | null,
    sentMs: number,
    nowMs: number,
  ): RestoreOutcome {
    const { table } = this.#cache;
    const slot = this.#cache.storedSlotOf(handle);
    if (result === null) return 'noAnswer';
    if (slot === NONE) return 'lost';
    if (result.kind === 'restored') {
      this.#counters.flowsRestored++;
      const seen = this.#cache.wholeSighting(slot, sentMs);
      const renewed = this.#cache.renew(slot, result.flow, sentMs, nowMs);
      if (renewed === NONE) return 'lost';
      this.#cache.noteReport(renewed, result.flow, seenAt(seen, sentMs), sentMs);
      return 'held';
    }
    const remote = this.#cache.remoteOf(slot);
    table.remove(slot);
    const exists = result.kind === 'exists';
    if (exists && this.#cache.install(result.entry, remote, sentMs, nowMs) !== NONE) return 'held';
    this.#counters.flowsLost++;
    return 'lost';
  }
}
