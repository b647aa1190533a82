/**
 * Leases blocks of outside ports and keeps them: asks for one when an opening needs a port and
 * none is free, or few are left; renews every third of the lease; drops what it lost; gives back
 * what lay idle for two lease lengths.
 */
import {
  addressEquals,
  BLOCKS_PER_SHARD,
  blockOfPort,
  type ClusterConfig,
  type Endpoint,
  type IpAddress,
  ipv4ToNumber,
  shardOfBlock,
  shardOfInside,
  TCP,
  UDP,
} from '@flowstore/flow';
import type { LeaseRef, LeaseResult, RenewResult } from '@flowstore/flow-store';
import {
  type HeldBlock,
  Parity,
  PortBlocks,
  type PortRange,
  parityOf,
  type Settlement,
} from '@flowstore/nat';
import type { GatewayCounters } from './counters.ts';
import type { LeaseEvent } from './feed-reader.ts';
import type { GatewayLimits } from './limits.ts';
import type { Outage } from './outage.ts';
import type { StoreOutbox } from './store-outbox.ts';
import type { TranslationRules } from './translation-rules.ts';

/** `granted`: take again; `exhausted`: there are none for us, but perhaps single ports; `notYet`:
 * the store grants none for now;
 * `noAnswer`: it did not say. */
export type LeaseOutcome = 'granted' | 'exhausted' | 'notYet' | 'noAnswer';
type OnLeased = (outcome: LeaseOutcome, nowMs: number) => void;

/** Of a range's blocks, what gateways lease; the store deals out the ports of the rest one by one,
 * so that nobody goes without while others hold more than they use. */
const LEASED_SHARE = 0.75;
/** Blocks asked for at once: as many as the range already uses, within these bounds. */
const BLOCKS_PER_LEASE_MAX = 8;

export class PortKeeper {
  readonly blocks: PortBlocks;
  readonly #rules: TranslationRules;
  readonly #config: ClusterConfig;
  readonly #limits: GatewayLimits;
  readonly #incarnation: string;
  readonly #random: () => number;
  readonly #outbox: StoreOutbox;
  readonly #counters: GatewayCounters;
  readonly #outage: Outage;
  readonly #waiters = new Map<string, OnLeased[]>();
  /** Told of each block that is not ours any more, whoever took it. */
  onLost: (range: PortRange, block: number) => void = () => {};
  /** How many share the ports. */
  gateways = 1;
  #renewAtMs: number;

  constructor(options: {
    rules: TranslationRules;
    config: ClusterConfig;
    limits: GatewayLimits;
    incarnation: string;
    random: () => number;
    outbox: StoreOutbox;
    counters: GatewayCounters;
    outage: Outage;
    nowMs: number;
  }) {
    this.#rules = options.rules;
    this.#config = options.config;
    this.#limits = options.limits;
    this.#incarnation = options.incarnation;
    this.#random = options.random;
    this.#outbox = options.outbox;
    this.#counters = options.counters;
    this.#outage = options.outage;
    this.blocks = new PortBlocks(options.random);
    this.#renewAtMs = options.nowMs + this.#renewEveryMs;
  }

  /** Where the outside port of this inside endpoint has to come from. */
  rangeFor(inside: Endpoint): PortRange {
    return {
      shard: shardOfInside(inside),
      protocol: inside.protocol,
      address: this.#rules.addressFor(inside.domain, inside.address),
    };
  }

  /**
   * A port to propose, 0 where none is in hand; leases ahead when few are left.
   * @param unasked it is to be used without the store
   */
  take(range: PortRange, parity: Parity, unasked: boolean, nowMs: number): number {
    const { blocks } = this;
    const port = unasked
      ? blocks.takeSure(range, nowMs, parity)
      : blocks.take(range, nowMs, parity);
    // Of one parity there are half as many.
    const low = this.#limits.freePortsLow / (parity === Parity.Any ? 1 : 2);
    if (port !== 0 && blocks.available(range, nowMs, parity) < low) {
      this.lease(range, nowMs, () => {});
    }
    return port;
  }

  /** Which outside ports this inside endpoint should have (RFC 4787 REQ-4). */
  parityFor({ protocol, port }: Endpoint): Parity {
    const isPort = protocol === TCP || protocol === UDP;
    return isPort && this.#config.preservePortParity ? parityOf(port) : Parity.Any;
  }

  /** The store answered a proposal of ours. */
  settle(range: PortRange, port: number, settlement: Settlement): void {
    this.blocks.settle(range, blockOfPort(port), port, settlement);
  }

  /** The store says that the port's block is not ours. */
  lost(range: PortRange, port: number): void {
    this.#drop({ ...range, block: blockOfPort(port) });
  }

  /** Whether the port's block is leased by us. */
  holds(protocol: number, address: IpAddress, port: number): boolean {
    const block = blockOfPort(port);
    const shard = shardOfBlock({ protocol, address, block });
    return this.blocks.find({ shard, protocol, address }, block) !== undefined;
  }

  /** The blocks of the range that no binding may have a port of. */
  reserved(range: PortRange): readonly number[] {
    return this.#rules.reservedBlocks(range);
  }

  /** The rules changed: what they keep back, and what is of no pool any more, is given back, or let
   * go where a port of it may be in use without the store's knowing. */
  rulesChanged(): void {
    for (const held of [...this.blocks]) {
      if (this.#mayHold(held, held.block)) continue;
      if (held.proposed === 0) this.#release(held);
      else this.#drop(held);
    }
  }

  /** Leases more of the range; concurrent wishes share the request. */
  lease(range: PortRange, nowMs: number, onDone: OnLeased): void {
    const key = `${range.shard}/${range.protocol}/${range.address.join('.')}`;
    const waiters = this.#waiters.get(key);
    if (waiters !== undefined) {
      waiters.push(onDone);
      return;
    }
    if (this.blocks.size >= this.#limits.blocksMax) {
      this.#counters.leasesRefused++;
      onDone('exhausted', nowMs);
      return;
    }
    const inRange = [...this.blocks].filter((held) => isOf(range, held)).length;
    const left = this.#blocksPerRangeMax - inRange;
    if (left <= 0) {
      onDone('exhausted', nowMs);
      return;
    }
    const blocks = Math.min(Math.max(1, inRange), BLOCKS_PER_LEASE_MAX, left);
    const start = this.#random();
    const reserved = this.reserved(range);
    const request = { ...range, incarnation: this.#incarnation, blocks, start, reserved };
    const queued = this.#outbox.ask(
      'lease',
      () => request,
      (result, sentMs, nowMs) => this.#onLeased(key, range, result, sentMs, nowMs),
    );
    if (queued) this.#waiters.set(key, [onDone]);
    else onDone('noAnswer', nowMs);
  }

  tick(nowMs: number): void {
    if (nowMs < this.#renewAtMs) return;
    this.#renewAtMs = nowMs + this.#renewEveryMs;
    for (const held of this.blocks.idle(2 * this.#config.leaseMs, nowMs)) this.#release(held);
    for (const held of [...this.blocks]) {
      held.expiresMs = this.#outage.leaseEndMs(held.expiresMs);
      if (nowMs >= held.expiresMs) this.#drop(held);
      else this.#renew(held);
    }
  }

  /** The shard's server may have lost our leases: they are restored if we renew them now. */
  renewShard(shard: number): void {
    for (const held of [...this.blocks]) if (held.shard === shard) this.#renew(held);
  }

  /**
   * The feed tells that a block is somebody else's, or nobody's. It may tell of before our own
   * lease, so the store is asked: the answer decides, well before the next renewal would.
   */
  heard({ protocol, address, block, holder }: LeaseEvent): void {
    if (holder === this.#incarnation) return;
    const shard = shardOfBlock({ protocol, address, block });
    const held = this.blocks.find({ shard, protocol, address }, block);
    if (held !== undefined) this.#renew(held);
  }

  /** Gives everything back: before a stop. What may be in use without the store's knowing runs out
   * by itself, and goes into quarantine then. */
  releaseAll(): void {
    for (const held of [...this.blocks]) if (held.proposed === 0) this.#release(held);
  }

  get #blocksPerRangeMax(): number {
    return Math.max(1, Math.floor((LEASED_SHARE * BLOCKS_PER_SHARD) / this.gateways));
  }

  get #renewEveryMs(): number {
    return this.#config.leaseMs / 3;
  }

  #onLeased(
    key: string,
    range: PortRange,
    result: LeaseResult | null,
    sentMs: number,
    nowMs: number,
  ): void {
    const waiters = this.#waiters.get(key) ?? [];
    this.#waiters.delete(key);
    if (result?.kind === 'granted') {
      for (const { block, freePorts, lifeMs } of result.blocks) {
        this.#counters.blocksLeased++;
        this.blocks.grant(range, block, freePorts, sentMs + lifeMs, nowMs, sentMs);
        // The rules may have changed since it was asked for.
        if (!this.#mayHold(range, block)) this.#release(this.blocks.find(range, block)!);
      }
    }
    // In grace there are no grants: to be asked again, like a store that does not answer.
    const outcome = result?.kind ?? 'noAnswer';
    for (const waiter of waiters) waiter(outcome, nowMs);
  }

  #renew(held: HeldBlock): void {
    const ref = this.#refOf(held);
    this.#outbox.ask(
      'renew',
      () => ref,
      (result, sentMs, nowMs) => this.#onRenewed(held, result, sentMs, nowMs),
    );
  }

  #onRenewed(held: HeldBlock, result: RenewResult | null, sentMs: number, nowMs: number): void {
    if (result === null || this.blocks.find(held, held.block) === undefined) return;
    if (result.kind === 'leaseLost') {
      this.#drop(held);
      return;
    }
    const { block, freePorts, lifeMs } = result.block;
    // Rows that the store lost look free to it; this gateway knows better.
    const free = result.rowsAreSure ? freePorts : freePorts & held.free;
    this.blocks.grant(held, block, free, sentMs + lifeMs, nowMs, sentMs);
  }

  #mayHold(range: PortRange, block: number): boolean {
    const isPooled = this.#rules.isPooled(ipv4ToNumber(range.address));
    return isPooled && !this.#rules.isReserved(range, block);
  }

  #release(held: HeldBlock): void {
    // Out of hand first: no port of it may be proposed once the release is on its way.
    this.blocks.drop(held, held.block);
    this.#counters.blocksReleased++;
    const ref = this.#refOf(held);
    this.#outbox.ask(
      'release',
      () => ref,
      () => {},
    );
  }

  #drop(held: PortRange & { block: number }): void {
    if (this.blocks.find(held, held.block) === undefined) return;
    this.#counters.blocksLost++;
    this.blocks.drop(held, held.block);
    this.onLost(held, held.block);
  }

  #refOf({ protocol, address, block }: HeldBlock): LeaseRef {
    return { protocol, address, block, incarnation: this.#incarnation };
  }
}

function isOf(range: PortRange, held: PortRange): boolean {
  return (
    held.shard === range.shard &&
    held.protocol === range.protocol &&
    addressEquals(held.address, range.address)
  );
}
