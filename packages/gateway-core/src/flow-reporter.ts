/**
 * Keeps the store informed about the flows in the table, and asks it before one ends.
 *
 * A touch leaves at once when a connection changes state and otherwise when the flow's touch is
 * due; it is batched and never in a packet's way. A timer that fires says that the store may have
 * ended the flow. Idle here does not mean idle: the gateway whose touch was the last one merged, as
 * far as answers told, asks: extended elsewhere it sleeps again, else the store checks and deletes
 * by identity. The others just forget their copies: forgetting is not expiring.
 */
import { NEVER } from '@flowstore/flow';
import type { CloseResult, TouchResult } from '@flowstore/flow-store';
import { type Handle, NONE } from '@flowstore/flow-table';
import type { GatewayCounters } from './counters.ts';
import { type FlowCache, PROVISIONAL, REPORTED, seenAt, TOUCH_QUEUED } from './flow-cache.ts';
import type { GatewayLimits } from './limits.ts';
import type { OnRestored, Restorer } from './restorer.ts';
import type { StoreOutbox } from './store-outbox.ts';

export interface FlowReporterOptions {
  readonly cache: FlowCache;
  readonly outbox: StoreOutbox;
  readonly restorer: Restorer;
  readonly limits: GatewayLimits;
  readonly counters: GatewayCounters;
}

export class FlowReporter {
  readonly #cache: FlowCache;
  readonly #outbox: StoreOutbox;
  readonly #restorer: Restorer;
  readonly #limits: GatewayLimits;
  readonly #counters: GatewayCounters;
  /** Touches that got no answer, in the order in which they are due again. */
  readonly #retries: { handle: Handle; atMs: number }[] = [];

  constructor({ cache, outbox, restorer, limits, counters }: FlowReporterOptions) {
    this.#cache = cache;
    this.#outbox = outbox;
    this.#restorer = restorer;
    this.#limits = limits;
    this.#counters = counters;
  }

  /** Touches that wait to be repeated. */
  get retries(): number {
    return this.#retries.length;
  }

  /** Queues a touch of the flow, unless one is queued already; false where there is no room. */
  touch(slot: number, nowMs: number): boolean {
    const { table } = this.#cache;
    if (table.marks(slot) & TOUCH_QUEUED) return true;
    if (table.marks(slot) & PROVISIONAL) {
      this.#cache.prolong(slot, nowMs);
      return true;
    }
    const handle = table.handleOf(slot);
    let seenMs = NEVER;
    const queued = this.#outbox.ask(
      'touch',
      (sendMs) => {
        const request = this.#buildTouch(handle, sendMs);
        seenMs = request === null ? NEVER : seenAt(request.seen, sendMs);
        return request;
      },
      (result, sentMs, answeredMs) => {
        this.#onTouched(handle, result, seenMs, sentMs, answeredMs, (outcome, doneMs) => {
          if (outcome === 'noAnswer') this.#touchLater(handle, doneMs);
        });
      },
    );
    if (!queued) {
      table.setTouchDueMs(slot, nowMs + this.#limits.retryMs);
      return false;
    }
    this.#cache.mark(slot, TOUCH_QUEUED);
    // A flow that is woken at its very end must not be over before its report is answered.
    if (table.isActive(slot)) this.#cache.prolong(slot, nowMs);
    return true;
  }

  /**
   * Tells the store of a packet that came at `seenMs` and wakes the flow in its last moments. It
   * waits for what becomes of that: for the store the flow may be over.
   */
  wake(slot: number, seenMs: number, nowMs: number, onDone: OnRestored): void {
    const handle = this.#cache.table.handleOf(slot);
    const queued = this.#outbox.ask(
      'touch',
      (sendMs) => {
        const request = this.#buildTouch(handle, sendMs);
        // What is not sent is not answered, and packets wait for it.
        if (request === null) onDone('lost', sendMs);
        return request && { ...request, seen: { ...request.seen, ageMs: sendMs - seenMs } };
      },
      (result, sentMs, answeredMs) => {
        this.#onTouched(handle, result, seenMs, sentMs, answeredMs, onDone);
      },
    );
    if (queued) this.#outbox.hurry();
    else onDone('noAnswer', nowMs);
  }

  /** Handles timers that fired and touches to be repeated. */
  tick(nowMs: number): void {
    const { table } = this.#cache;
    while (this.#retries.length > 0 && this.#retries[0]!.atMs <= nowMs) {
      const slot = this.#cache.storedSlotOf(this.#retries.shift()!.handle);
      if (slot === NONE) continue;
      this.#cache.unmark(slot, TOUCH_QUEUED);
      this.touch(slot, nowMs);
    }
    const due = table.poll(nowMs, this.#limits.duePerTickMax);
    for (let i = 0; i < due; i++) this.#onDue(table.due[i]!, nowMs);
  }

  /** Reports all that the store does not know yet: the last words before a stop. */
  flush(nowMs: number): void {
    this.#cache.table.forEach((slot) => {
      if (this.#cache.hasNews(slot)) this.touch(slot, nowMs);
    });
    this.#outbox.hurry();
  }

  #buildTouch(handle: Handle, nowMs: number) {
    const slot = this.#cache.storedSlotOf(handle);
    if (slot === NONE) return null;
    this.#cache.unmark(slot, TOUCH_QUEUED);
    this.#counters.touchesSent++;
    return {
      inside: this.#cache.insideOf(slot),
      outside: this.#cache.outsideOf(slot),
      remote: this.#cache.remoteOf(slot),
      identity: this.#cache.identityOf(slot),
      seen: this.#cache.sighting(slot, nowMs),
    };
  }

  #onTouched(
    handle: Handle,
    result: TouchResult | null,
    seenMs: number,
    sentMs: number,
    nowMs: number,
    onDone: OnRestored,
  ): void {
    const slot = this.#cache.storedSlotOf(handle);
    if (slot === NONE) {
      onDone('lost', nowMs);
    } else if (result === null) {
      onDone('noAnswer', nowMs);
    } else if (result.kind === 'merged') {
      this.#counters.touchesMerged++;
      // Only now: a report under way may get lost, and the flow must not end meanwhile.
      this.#cache.reported(slot, sentMs);
      const renewed = this.#cache.renew(slot, result.flow, sentMs, nowMs);
      if (renewed !== NONE) this.#cache.noteReport(renewed, result.flow, seenMs, sentMs);
      onDone(renewed === NONE ? 'lost' : 'held', nowMs);
    } else {
      // Nobody was there to report it, or the store lost what it knew of it. Where the shard is not
      // in grace, this comes to nothing.
      if (result.kind === 'stale') this.#counters.touchesStale++;
      this.#restorer.restore(slot, nowMs, onDone);
    }
  }

  /** Still queued, so to say: at most one retry waits per flow. */
  #touchLater(handle: Handle, nowMs: number): void {
    const { table } = this.#cache;
    const slot = this.#cache.storedSlotOf(handle);
    if (slot === NONE || table.marks(slot) & TOUCH_QUEUED) return;
    // For as long as the store is away it lives by what is seen of it here.
    this.#cache.prolong(slot, nowMs);
    if (this.#retries.length >= this.#limits.touchRetriesMax) {
      // Its next packet tries again, or its end.
      this.#counters.touchRetriesDropped++;
      table.setTouchDueMs(slot, nowMs + this.#limits.retryMs);
      return;
    }
    this.#cache.mark(slot, TOUCH_QUEUED);
    this.#retries.push({ handle, atMs: nowMs + this.#limits.retryMs });
  }

  #onDue(handle: Handle, nowMs: number): void {
    const { table } = this.#cache;
    const slot = this.#cache.storedSlotOf(handle);
    // A provisional flow stays in the table, out of use, until the store was told of it.
    if (slot === NONE || table.marks(slot) & PROVISIONAL) return;
    this.#counters.timersFired++;
    if (this.#cache.hasLateNews(slot)) this.touch(slot, nowMs);
    else if (table.marks(slot) & REPORTED) this.#askToClose(slot, handle);
    else this.#forget(slot);
  }

  #askToClose(slot: number, handle: Handle): void {
    const request = {
      inside: this.#cache.insideOf(slot),
      remote: this.#cache.remoteOf(slot),
      identity: this.#cache.identityOf(slot),
      reason: 'idle',
    } as const;
    const queued = this.#outbox.ask(
      'close',
      () => request,
      (result, sentMs, nowMs) => this.#onClosed(handle, result, sentMs, nowMs),
    );
    // With no room to ask, the reaper will see to it.
    if (queued) this.#counters.closesAsked++;
    else this.#forget(slot);
  }

  #onClosed(handle: Handle, result: CloseResult | null, sentMs: number, nowMs: number): void {
    const slot = this.#cache.storedSlotOf(handle);
    if (slot === NONE) return;
    if (result === null) {
      // What was seen while nobody answered is still to be said.
      if (this.#cache.hasLateNews(slot)) this.touch(slot, nowMs);
      else this.#forget(slot);
    } else if (result.kind === 'alive') {
      this.#counters.timersSleptAgain++;
      const renewed = this.#cache.renew(slot, result.flow, sentMs, nowMs);
      // Whoever extended it is the one to ask next time.
      if (renewed !== NONE) this.#cache.unmark(renewed, REPORTED);
    } else if (result.kind === 'notYet') {
      this.#forget(slot);
    } else {
      if (result.kind === 'closed') this.#counters.flowsClosed++;
      this.#cache.table.remove(slot);
    }
  }

  #forget(slot: number): void {
    this.#counters.flowsForgotten++;
    this.#cache.table.remove(slot);
  }
}
