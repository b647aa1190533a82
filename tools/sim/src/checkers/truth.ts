/**
 * Who owns which outside endpoint, and since when: the store's data as a god sees it, written down
 * after every script that ran. Checkers compare with this what gateways did; no core is ever asked.
 */
import { type Endpoint, shardOfInside } from '@flowstore/flow';
import { entryKey, type ModelData } from '@flowstore/flow-store/testing';
import { addressNumber, endpointKey, remoteKey } from '../keys.ts';
import { TCP } from '../packet.ts';
import { Sightings } from './sightings.ts';

export type StoredEntry = NonNullable<ReturnType<ModelData['shards'][number]['entries']['get']>>;

/** What made a binding or a flow come or go. */
export interface Cause {
  readonly operation: string;
  readonly cancelled: boolean;
}

export interface FlowTruth {
  readonly binding: BindingTruth;
  /** 0 for a flow that is as wide as its binding. */
  readonly remote: number;
  readonly remotePort: number;
  readonly generation: number;
  readonly nonce: number;
  readonly createdMs: number;
  endedMs: number | null;
  /** A gateway put back an incarnation of which nothing was known: it was opened at a master that
   * was replaced, maybe at another outside endpoint, or in the place of a former one. */
  readonly isPutBack: boolean;
  /** The store lost it with its data: whoever holds it may tell it again. */
  isLost: boolean;
  /** The later incarnation that was lost when this one came back. */
  readonly lost: FlowTruth | null;
  /** The incarnation whose place it took, while that was stored: it may come back. */
  readonly former: Incarnation | null;
  readonly sightings: Sightings;
}

interface Incarnation {
  readonly generation: number;
  readonly nonce: number;
  readonly sightings: Sightings;
}

export interface BindingTruth {
  readonly endpoint: Endpoint;
  readonly shard: number;
  readonly protocol: number;
  readonly inside: number;
  readonly insidePort: number;
  readonly outside: number;
  readonly outsidePort: number;
  readonly generation: number;
  readonly nonce: number;
  readonly createdMs: number;
  endedMs: number | null;
  /** The store lost it with its data. */
  isLost: boolean;
  /** An operator ended it, though somebody who did not hear of that may have put it back. */
  cancelled: boolean;
  /** The inside endpoint's one before, at another outside endpoint: it may be told again. */
  displaced: BindingTruth | undefined;
  readonly flows: Map<number, FlowTruth>;
}

export interface TruthWatch {
  bindingCreated(binding: BindingTruth, former: BindingTruth | undefined, cause: Cause): void;
  bindingEnded(binding: BindingTruth, cause: Cause): void;
  flowCreated(flow: FlowTruth, former: FlowTruth | undefined, cause: Cause): void;
  flowEnded(flow: FlowTruth, cause: Cause): void;
}

export class Truth {
  /** By inside endpoint: the live binding, or the last one. */
  readonly #byInside = new Map<number, BindingTruth>();
  /** By outside endpoint: whoever holds it, or held it last. */
  readonly #byOutside = new Map<number, BindingTruth>();
  readonly #byShard = new Map<number, Set<BindingTruth>>();
  readonly #watch: TruthWatch;

  constructor(watch: TruthWatch) {
    this.#watch = watch;
  }

  ofInside(protocol: number, address: number, port: number): BindingTruth | undefined {
    return this.#byInside.get(endpointKey(protocol, address, port));
  }

  ofOutside(protocol: number, address: number, port: number): BindingTruth | undefined {
    return this.#byOutside.get(endpointKey(protocol, address, port));
  }

  /** The flow of a live or former binding that serves this remote endpoint. */
  flowOf(binding: BindingTruth, remote: number, port: number): FlowTruth | undefined {
    return binding.flows.get(binding.protocol === TCP ? remoteKey(remote, port) : 0);
  }

  *live(): Generator<BindingTruth> {
    for (const bindings of this.#byShard.values()) yield* bindings;
  }

  /** Writes down what became of an inside endpoint. */
  sync(endpoint: Endpoint, data: ModelData, cause: Cause, nowMs: number): void {
    const { protocol } = endpoint;
    const inside = addressNumber(endpoint.address);
    const key = endpointKey(protocol, inside, endpoint.port);
    let binding = this.#byInside.get(key);
    const stored = storedEntry(data, endpoint);
    const same =
      binding?.endedMs === null &&
      stored?.binding.generation === binding.generation &&
      stored.binding.nonce === binding.nonce;
    if (binding?.endedMs === null && !same) this.#end(binding, cause, nowMs);
    if (stored === undefined) return;
    if (!same) binding = this.#create(key, stored, cause, nowMs);
    this.#syncFlows(binding!, stored, cause, nowMs);
  }

  /** The same for a whole shard: after a sweep. */
  syncShard(shard: number, data: ModelData, cause: Cause, nowMs: number): void {
    for (const { endpoint } of [...(this.#byShard.get(shard) ?? [])]) {
      this.sync(endpoint, data, cause, nowMs);
    }
  }

  /** The same for everything: another server took over. */
  syncAll(data: ModelData, cause: Cause, nowMs: number): void {
    for (const { endpoint } of [...this.live()]) {
      if (storedEntry(data, endpoint) === undefined) this.sync(endpoint, data, cause, nowMs);
    }
    for (const shard of data.shards) {
      for (const { inside } of shard.entries.values()) this.sync(inside, data, cause, nowMs);
    }
  }

  #create(key: number, { inside, binding }: StoredEntry, cause: Cause, nowMs: number) {
    const { protocol } = inside;
    const outside = addressNumber(binding.outside.address);
    const outsidePort = binding.outside.port;
    const last = this.#byInside.get(key);
    const known = [last, last?.displaced].find(
      (one) => one?.outside === outside && one.outsidePort === outsidePort,
    );
    const isSame = known?.generation === binding.generation && known.nonce === binding.nonce;
    const isAgain = known !== undefined && isToldAgain(known, binding.nonce);
    // Put back by a flow that is not its first, it goes under that one's identity.
    const isBack = known !== undefined && (isSame || isAgain || cause.operation === 'reassert');
    const isInPlace = known !== undefined && cause.operation === 'dataLost';
    const displaced = known === last ? last?.displaced : last;
    if (last !== undefined) last.displaced = undefined;
    const created: BindingTruth = {
      endpoint: inside,
      shard: shardOfInside(inside),
      protocol,
      inside: addressNumber(inside.address),
      insidePort: inside.port,
      outside,
      outsidePort,
      generation: binding.generation,
      nonce: binding.nonce,
      createdMs: nowMs,
      endedMs: null,
      isLost: false,
      displaced,
      cancelled: isBack && known.cancelled,
      // A store that lost it and was told again: what was seen of it stays true. So does what was
      // seen of the later one where this one came back, should its flows be told again.
      flows: isBack || isInPlace ? new Map(known.flows) : new Map(),
    };
    const outsideKey = endpointKey(protocol, outside, outsidePort);
    const former = this.#byOutside.get(outsideKey);
    this.#byInside.set(key, created);
    this.#byOutside.set(outsideKey, created);
    const shard = this.#byShard.get(created.shard) ?? new Set();
    this.#byShard.set(created.shard, shard.add(created));
    this.#watch.bindingCreated(created, former, cause);
    return created;
  }

  #end(binding: BindingTruth, cause: Cause, nowMs: number): void {
    binding.endedMs = nowMs;
    binding.isLost = cause.operation === 'dataLost';
    binding.cancelled ||= cause.cancelled;
    for (const flow of binding.flows.values()) this.#endFlow(flow, cause, nowMs);
    this.#byShard.get(binding.shard)!.delete(binding);
    this.#watch.bindingEnded(binding, cause);
  }

  #endFlow(flow: FlowTruth, cause: Cause, nowMs: number): void {
    if (flow.endedMs !== null) return;
    flow.endedMs = nowMs;
    flow.isLost = cause.operation === 'dataLost';
    this.#watch.flowEnded(flow, cause);
  }

  #syncFlows(binding: BindingTruth, stored: StoredEntry, cause: Cause, nowMs: number): void {
    if (binding.protocol !== TCP) {
      const flow = binding.flows.get(0);
      if (flow === undefined || flow.endedMs !== null) {
        this.#createFlow(binding, 0, 0, 0, stored.binding, cause, nowMs);
      }
      return;
    }
    const seen = new Set<number>();
    for (const [packed, record] of stored.flows) {
      const { remote, port } = unpackRemote(packed);
      const key = remoteKey(remote, port);
      seen.add(key);
      const flow = binding.flows.get(key);
      const same =
        flow?.endedMs === null &&
        flow.generation === record.generation &&
        flow.nonce === record.nonce;
      if (same) continue;
      this.#createFlow(binding, key, remote, port, record, cause, nowMs);
    }
    for (const [key, flow] of binding.flows) {
      if (!seen.has(key)) this.#endFlow(flow, cause, nowMs);
    }
  }

  #createFlow(
    binding: BindingTruth,
    key: number,
    remote: number,
    remotePort: number,
    { generation, nonce }: { generation: number; nonce: number },
    cause: Cause,
    nowMs: number,
  ): void {
    const former = binding.flows.get(key);
    const isOf = (one: Incarnation | null | undefined) =>
      one?.generation === generation && one.nonce === nonce;
    const isBack = isOf(former) || (former !== undefined && isToldAgain(former, nonce));
    const before = isOf(former?.former) ? former?.former : null;
    const lost = former?.lost ?? null;
    const wasStored = former?.endedMs === null;
    const replaced = wasStored ? { sightings: former.sightings, replacedMs: nowMs } : null;
    if (former !== undefined) this.#endFlow(former, cause, nowMs);
    // With old data, or by somebody who never heard of the later one.
    const isFormer = !isBack && (cause.operation === 'dataLost' || former?.isLost === true);
    const flow: FlowTruth = {
      binding,
      remote,
      remotePort,
      generation,
      nonce,
      isPutBack: !isBack && !before && cause.operation === 'reassert',
      createdMs: nowMs,
      endedMs: null,
      isLost: false,
      lost: isFormer ? (former ?? null) : null,
      former: wasStored ? incarnationOf(former) : null,
      // What was seen of it stays true, be it the last one or the one before.
      sightings: (isBack ? former : before)?.sightings ?? new Sightings(binding.protocol, replaced),
    };
    // It was told again: what was seen meanwhile was seen of it.
    if (lost !== null && isOf(lost)) {
      flow.sightings.takeOver(lost.sightings);
      flow.sightings.takeOver(former!.sightings);
    }
    // A binding that goes on under its later identity is the same mapping.
    const isRenamed = binding.protocol !== TCP && cause.operation === 'reassert';
    if (isRenamed && former !== undefined) flow.sightings.takeOver(former.sightings);
    const astray = cause.operation === 'reassert' ? former?.sightings.astray : null;
    if (astray && !isBack) flow.sightings.takeOver(astray);
    binding.flows.set(key, flow);
    this.#watch.flowCreated(flow, former, cause);
  }
}

/** The same opening, of which the store lost what it had been told: a provisional one's. */
function isToldAgain({ isLost, nonce }: BindingTruth | FlowTruth, again: number): boolean {
  return isLost && nonce === again;
}

/** Without the one before that: nobody brings it back. */
function incarnationOf({ generation, nonce, sightings }: Incarnation): Incarnation {
  return { generation, nonce, sightings };
}

/** The store's own record of an inside endpoint, past its deadline or not. */
export function storedEntry(data: ModelData, endpoint: Endpoint): StoredEntry | undefined {
  const shard = data.shards[shardOfInside(endpoint)]!;
  return shard.entries.get(entryKey(endpoint));
}

/** From the key of a remote endpoint in the model's own maps. */
function unpackRemote(key: string): { remote: number; port: number } {
  const byte = (at: number) => key.charCodeAt(at);
  const remote = ((byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3)) >>> 0;
  return { remote, port: (byte(4) << 8) | byte(5) };
}
