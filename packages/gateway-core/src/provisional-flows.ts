/**
 * Flows that were opened while the store could not be asked, on ports from leases that are held.
 * Their packets go at once, before anybody else could look them up: they are outside I6 and
 * endpoint-independence until the store was told.
 *
 * ```
 *   new flow, no store --> provisional --- store is back: `open`, same port, same nonce
 *                                             | created, or exists on this port: it is the store's
 *                                             | exists elsewhere, portTaken, leaseLost: it goes,
 *                                             v and what is stored wins (provisionalLost)
 * ```
 *
 * The row of a provisional flow has no generation, is fresh for as long as the lease of its port,
 * and is never touched or closed. An idle one leaves the table like any other, but the store is
 * told of it all the same: only the store can put its port into quarantine. A TCP flow that was
 * lost is answered like any unknown one: its next segment from inside gets an RST.
 */
import {
  addressEquals,
  blockOfPort,
  type ClusterConfig,
  type Endpoint,
  NEVER,
  type SocketAddress,
  socketAddressEquals,
} from '@flowstore/flow';
import type { OpenResult } from '@flowstore/flow-store';
import { type Handle, NONE } from '@flowstore/flow-table';
import type { PortBlocks, PortRange } from '@flowstore/nat';
import type { GatewayCounters } from './counters.ts';
import { type FlowCache, PROVISIONAL, REPORTED } from './flow-cache.ts';
import type { GatewayLimits } from './limits.ts';
import type { Outage } from './outage.ts';
import { mayBeProvisional, type Policies } from './policies.ts';
import type { StoreOutbox } from './store-outbox.ts';

export interface ProvisionalOpening {
  readonly inside: Endpoint;
  readonly remote: SocketAddress | null;
  readonly flags: number;
  readonly seenMs: number;
  readonly range: PortRange;
  readonly port: number;
  readonly nonce: number;
}

interface ProvisionalFlow extends ProvisionalOpening {
  readonly outside: SocketAddress;
  readonly handle: Handle;
  /** The store is being told. */
  isAsked: boolean;
  askAtMs: number;
}

export interface ProvisionalOptions {
  readonly config: ClusterConfig;
  readonly cache: FlowCache;
  readonly outbox: StoreOutbox;
  readonly outage: Outage;
  readonly policies: Policies;
  readonly limits: GatewayLimits;
  readonly counters: GatewayCounters;
  readonly incarnation: string;
}

export class ProvisionalFlows {
  readonly #options: ProvisionalOptions;
  readonly #blocks: PortBlocks;
  readonly #flows = new Set<ProvisionalFlow>();
  /** Ports of lost flows, in the order in which their quarantine ends: the store has no row. */
  #quarantined: { range: PortRange; port: number; untilMs: number }[] = [];
  #inFlight = 0;

  constructor(options: ProvisionalOptions, blocks: PortBlocks) {
    this.#options = options;
    this.#blocks = blocks;
  }

  /** Those that the store has not been told of, and ports of others that are kept back. */
  get size(): number {
    return this.#flows.size + this.#quarantined.length;
  }

  /** Whether a new flow should not wait for the store. */
  mayOpen(protocol: number, nowMs: number): boolean {
    const { outage, policies, limits, counters } = this.#options;
    if (!outage.cannotAsk(nowMs) || !mayBeProvisional(policies, protocol)) return false;
    if (this.size < limits.provisionalMax) return true;
    counters.provisionalRefused++;
    return false;
  }

  /** Puts the flow into the table; NONE where that is full. The port stays out of hand. */
  open(opening: ProvisionalOpening, nowMs: number): number {
    const { cache, counters } = this.#options;
    const { inside, remote, range, port, nonce } = opening;
    const outside = { address: range.address, port };
    const slot = cache.installProvisional({ inside, remote, outside, nonce }, nowMs);
    if (slot === NONE) {
      this.#blocks.settle(range, blockOfPort(port), port, 'unused');
      return NONE;
    }
    counters.provisionalOpened++;
    const handle = cache.table.handleOf(slot);
    this.#flows.add({ ...opening, outside, handle, isAsked: false, askAtMs: nowMs });
    return slot;
  }

  /** A lease is over: others may have its ports after a quarantine. */
  leaseEnded(range: PortRange, block: number): void {
    for (const flow of [...this.#flows]) if (isOfBlock(flow, range, block)) this.#lose(flow);
    this.#quarantined = this.#quarantined.filter((kept) => !isOfBlock(kept, range, block));
  }

  /** Tells the store, once it can be asked, at a pace that it can bear. */
  tick(nowMs: number): void {
    const { outage, limits } = this.#options;
    this.#freePorts(nowMs);
    if (this.#flows.size === 0 || outage.cannotAsk(nowMs)) return;
    for (const flow of this.#flows) {
      if (this.#inFlight >= limits.provisionalInFlightMax) return;
      if (!flow.isAsked && nowMs >= flow.askAtMs) this.#tell(flow, nowMs);
    }
  }

  #freePorts(nowMs: number): void {
    while (this.#quarantined.length > 0 && this.#quarantined[0]!.untilMs <= nowMs) {
      const { range, port } = this.#quarantined.shift()!;
      this.#blocks.settle(range, blockOfPort(port), port, 'used');
    }
  }

  #tell(flow: ProvisionalFlow, nowMs: number): void {
    const { outbox, incarnation, limits } = this.#options;
    const { inside, remote, outside, nonce } = flow;
    const queued = outbox.ask(
      'open',
      (sendMs) => ({
        inside,
        remote,
        proposal: outside,
        incarnation,
        nonce,
        seen: this.#seen(flow, sendMs),
        replaces: null,
      }),
      (result, sentMs, answeredMs) => this.#onTold(flow, result, sentMs, answeredMs),
    );
    if (queued) {
      flow.isAsked = true;
      this.#inFlight++;
    } else flow.askAtMs = nowMs + limits.retryMs;
  }

  #seen(flow: ProvisionalFlow, sendMs: number) {
    const { cache } = this.#options;
    const { handle, flags, seenMs } = flow;
    const slot = cache.storedSlotOf(handle);
    if (slot === NONE) return { flags, ageMs: sendMs - seenMs, rstAgeMs: null };
    const { table } = cache;
    const rstMs = table.rstMs(slot);
    const lastMs = this.#lastMs(flow);
    const rstAgeMs = rstMs === NEVER ? null : sendMs - rstMs;
    return { flags: table.flags(slot) | flags, ageMs: sendMs - lastMs, rstAgeMs };
  }

  #onTold(flow: ProvisionalFlow, result: OpenResult | null, sentMs: number, nowMs: number): void {
    const { cache, config, counters, limits } = this.#options;
    this.#inFlight--;
    flow.isAsked = false;
    if (!this.#flows.has(flow)) return;
    if (result === null) {
      flow.askAtMs = nowMs + limits.retryMs;
      return;
    }
    const lastMs = this.#lastMs(flow);
    const entry = result.kind === 'created' || result.kind === 'exists' ? result.entry : null;
    const stored = flow.remote === null ? entry?.binding : entry?.flow;
    if (!entry || !stored || !socketAddressEquals(entry.outside, flow.outside)) {
      this.#lose(flow);
      const untilMs = nowMs + config.quarantineMs + config.slack.clockSkewMs;
      this.#quarantined.push({ range: flow.range, port: flow.port, untilMs });
      if (entry && stored) this.#keep(cache.install(entry, flow.remote, sentMs, nowMs), lastMs);
      return;
    }
    counters.provisionalKept++;
    this.#flows.delete(flow);
    this.#blocks.settle(flow.range, blockOfPort(flow.port), flow.port, 'used');
    const slot = cache.storedSlotOf(flow.handle);
    // Idle for long: it is the store's now.
    const isGone = slot === NONE;
    if (isGone) this.#keep(cache.install(entry, flow.remote, sentMs, nowMs), lastMs);
    else this.#keep(cache.adopt(slot, stored, sentMs, nowMs), lastMs);
  }

  /** The store was told of its last packet, and is told again should it lose that. */
  #keep(slot: number, lastMs: number): void {
    if (slot === NONE) return;
    const { cache } = this.#options;
    cache.table.setSeenMs(slot, Math.max(cache.table.seenMs(slot), lastMs));
    cache.mark(slot, REPORTED);
  }

  #lastMs({ handle, seenMs }: ProvisionalFlow): number {
    const { cache } = this.#options;
    const slot = cache.storedSlotOf(handle);
    return slot === NONE ? seenMs : Math.max(seenMs, cache.table.seenMs(slot));
  }

  #lose(flow: ProvisionalFlow): void {
    const { cache, counters } = this.#options;
    counters.provisionalLost++;
    this.#flows.delete(flow);
    const slot = cache.storedSlotOf(flow.handle);
    if (slot !== NONE && cache.table.marks(slot) & PROVISIONAL) cache.table.remove(slot);
  }
}

function isOfBlock(held: { range: PortRange; port: number }, range: PortRange, block: number) {
  const { shard, protocol, address } = held.range;
  if (shard !== range.shard || protocol !== range.protocol) return false;
  return blockOfPort(held.port) === block && addressEquals(address, range.address);
}
