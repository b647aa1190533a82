/**
 * Opens bindings and flows: proposes a port, and another one when the store refuses it, until the
 * store acknowledged one or there is no sense in going on. Nothing is forwarded before that
 * (commit before forward), so no packet is outside whose flow another gateway could not look up.
 */
import {
  ANY_PORT,
  addressEquals,
  type Endpoint,
  type Identity,
  type SocketAddress,
} from '@flowstore/flow';
import type { OpenResult, StoredEntry } from '@flowstore/flow-store';
import { Parity, type PortRange, type Settlement } from '@flowstore/nat';
import type { GatewayCounters } from './counters.ts';
import type { GatewayLimits } from './limits.ts';
import type { PortKeeper } from './port-keeper.ts';
import type { ProvisionalFlows, ProvisionalOpening } from './provisional-flows.ts';
import type { StoreOutbox } from './store-outbox.ts';

export interface Opening {
  readonly inside: Endpoint;
  readonly remote: SocketAddress | null;
  /** False for a flow from outside: it may only join a binding that exists. */
  readonly mayBind: boolean;
  readonly replaces: Identity | null;
  /** Flags of the first packet, and when it came. */
  readonly flags: number;
  readonly seenMs: number;
}

export type OpenOutcome =
  /** `isNew`: this opening's own, not somebody else's that was there. */
  | {
      readonly kind: 'entry';
      readonly entry: StoredEntry;
      readonly isNew: boolean;
      readonly sentMs: number;
    }
  /** The store can't be asked: to be opened without it, for now. */
  | { readonly kind: 'provisional'; readonly opening: ProvisionalOpening }
  | { readonly kind: 'portsExhausted' | 'limit' | 'noBinding' | 'noAnswer' };

type OnOpened = (outcome: OpenOutcome, nowMs: number) => void;

/** One opening under way. The nonce stays the same whatever is proposed: it is one opening. */
interface Attempt extends Opening {
  readonly nonce: number;
  readonly range: PortRange;
  readonly onDone: OnOpened;
  /** 0: none. */
  port: number;
  /** Of which it should be, until no more blocks are to be had. */
  parity: Parity;
  proposals: number;
  /** No port is in hand, nor to be leased: the store may choose one. */
  mayBeAny: boolean;
  /** The store grants no ports for now: worth another try later. */
  mayWait: boolean;
}

export interface OpenerOptions {
  readonly ports: PortKeeper;
  readonly provisional: ProvisionalFlows;
  readonly outbox: StoreOutbox;
  readonly incarnation: string;
  /** Uniform 32-bit numbers. */
  readonly random: () => number;
  readonly limits: GatewayLimits;
  readonly counters: GatewayCounters;
}

export class Opener {
  readonly #options: OpenerOptions;

  constructor(options: OpenerOptions) {
    this.#options = options;
  }

  open(opening: Opening, nowMs: number, onDone: OnOpened): void {
    const range = this.#options.ports.rangeFor(opening.inside);
    const nonce = this.#options.random();
    const parity = this.#options.ports.parityFor(opening.inside);
    const attempt = { ...opening, nonce, range, parity, onDone, port: 0, proposals: 0 };
    this.#propose({ ...attempt, mayBeAny: false, mayWait: false }, nowMs);
  }

  #propose(attempt: Attempt, nowMs: number): void {
    const { ports, limits } = this.#options;
    if (attempt.proposals++ >= limits.proposalsMax) {
      attempt.onDone({ kind: 'portsExhausted' }, nowMs);
      return;
    }
    const unasked = this.#mayDoWithout(attempt, nowMs);
    attempt.port = attempt.mayBind ? this.#take(attempt, unasked, nowMs) : 0;
    if (unasked && attempt.port !== 0) {
      attempt.onDone({ kind: 'provisional', opening: attempt }, nowMs);
      return;
    }
    if (attempt.port !== 0 || !attempt.mayBind) {
      this.#ask(attempt, nowMs);
      return;
    }
    ports.lease(attempt.range, nowMs, (outcome, leasedMs) => {
      if (outcome === 'granted') this.#propose(attempt, leasedMs);
      else if (outcome === 'noAnswer') attempt.onDone({ kind: 'noAnswer' }, leasedMs);
      else if (this.#takeOther(attempt, leasedMs)) this.#ask(attempt, leasedMs);
      else {
        // No block is to be had; but the endpoint may have a binding already, another gateway's,
        // or there may be single ports.
        attempt.mayBeAny = outcome === 'exhausted';
        attempt.mayWait = true;
        this.#ask(attempt, leasedMs);
      }
    });
  }

  /** Without the store there are no more blocks, so there the parity is a wish. */
  #take({ range, parity }: Attempt, unasked: boolean, nowMs: number): number {
    const { ports } = this.#options;
    const port = ports.take(range, parity, unasked, nowMs);
    return port === 0 && unasked ? ports.take(range, Parity.Any, unasked, nowMs) : port;
  }

  /** No more blocks are to be had: a port of the other parity is better than none. */
  #takeOther(attempt: Attempt, nowMs: number): boolean {
    attempt.parity = Parity.Any;
    attempt.port = this.#take(attempt, false, nowMs);
    return attempt.port !== 0;
  }

  #ask(attempt: Attempt, nowMs: number): void {
    const { inside, remote, replaces, nonce, range, port, mayBeAny } = attempt;
    const { address } = range;
    const any = mayBeAny ? { address, port: ANY_PORT } : null;
    const proposal = port === 0 ? any : { address, port };
    const reserved = proposal === any ? this.#options.ports.reserved(range) : [];
    const queued = this.#options.outbox.ask(
      'open',
      (sendMs) => ({
        inside,
        remote,
        proposal,
        reserved,
        incarnation: this.#options.incarnation,
        nonce,
        seen: { flags: attempt.flags, ageMs: sendMs - attempt.seenMs, rstAgeMs: null },
        replaces,
      }),
      (result, sentMs, answeredMs) => this.#onAnswer(attempt, result, sentMs, answeredMs),
    );
    if (queued) return;
    this.#settle(attempt, 'unused');
    attempt.onDone({ kind: 'noAnswer' }, nowMs);
  }

  #onAnswer(attempt: Attempt, result: OpenResult | null, sentMs: number, nowMs: number): void {
    const { ports, counters } = this.#options;
    if (result === null) {
      // Under the same nonce: should the call have taken effect, it is the same opening. Not where
      // the call of another opening, unanswered as well, may still bind the port.
      if (this.#isSure(attempt) && this.#mayDoWithout(attempt, nowMs)) {
        ports.blocks.doubt(attempt.range, attempt.port);
        attempt.onDone({ kind: 'provisional', opening: attempt }, nowMs);
        return;
      }
      // Perhaps it took effect: the port stays out of hand until a renewal says that it is free.
      this.#settle(attempt, 'unanswered');
      attempt.onDone({ kind: 'noAnswer' }, nowMs);
      return;
    }
    switch (result.kind) {
      case 'created':
      case 'exists': {
        const { address, port } = result.entry.outside;
        const ours = port === attempt.port && addressEquals(address, attempt.range.address);
        this.#settle(attempt, ours ? 'used' : 'unused');
        // It may be one of ours all the same: of an opening whose answer was lost.
        if (!ours) ports.settle({ ...attempt.range, address }, port, 'used');
        const isNew = result.kind === 'created';
        if (isNew) counters.flowsOpened++;
        else counters.flowsJoined++;
        // A binding of this very opening, which proposed no port.
        const isBinding = result.entry.binding.identity.nonce === attempt.nonce;
        if (isNew && isBinding && attempt.port === 0) counters.portsChosenByStore++;
        attempt.onDone({ kind: 'entry', entry: result.entry, isNew, sentMs }, nowMs);
        return;
      }
      case 'portTaken':
        counters.portsRefused++;
        this.#settle(attempt, 'used');
        this.#propose(attempt, nowMs);
        return;
      case 'leaseLost':
        ports.lost(attempt.range, attempt.port);
        this.#propose(attempt, nowMs);
        return;
      case 'limit':
        this.#settle(attempt, 'unused');
        attempt.onDone({ kind: 'limit' }, nowMs);
        return;
      case 'exhausted':
        attempt.onDone({ kind: 'portsExhausted' }, nowMs);
        return;
      case 'noBinding':
        if (attempt.mayWait) attempt.onDone({ kind: 'noAnswer' }, nowMs);
        else attempt.onDone({ kind: attempt.mayBind ? 'portsExhausted' : 'noBinding' }, nowMs);
    }
  }

  /** Whether it may be opened though no store would say yes to it. */
  #mayDoWithout({ mayBind, replaces, inside }: Attempt, nowMs: number): boolean {
    if (!mayBind || replaces !== null) return false;
    return this.#options.provisional.mayOpen(inside.protocol, nowMs);
  }

  #isSure({ range, port }: Attempt): boolean {
    return port !== 0 && this.#options.ports.blocks.isSure(range, port);
  }

  #settle({ range, port }: Attempt, settlement: Settlement): void {
    if (port !== 0) this.#options.ports.settle(range, port, settlement);
  }
}
