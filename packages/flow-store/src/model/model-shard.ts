/**
 * One shard of the model: endpoint entries, and the blocks of outside ports that they stand on.
 *
 * ```
 * entries:  inside endpoint -> binding (identity, state, outside endpoint)
 *                              flows: remote endpoint -> identity, state        (TCP only)
 * blocks:   (protocol, address, block) -> rows: port offset -> bound | quarantined
 *                                         lease: incarnation, end
 * ```
 *
 * Whatever is past its deadline counts as absent, whether or not a sweep has been there.
 */
import {
  ANY_PORT,
  type BindingRecord,
  type ClusterConfig,
  type Endpoint,
  endpointEquals,
  type FlowRecord,
  firstPortOfBlock,
  hasFlowPerRemote,
  type Identity,
  type IpAddress,
  identityEquals,
  mergeState,
  type PortBlock,
  type PortRow,
  type SocketAddress,
  shardOfInside,
  socketAddressEquals,
} from '@flowstore/flow';
import type * as contract from '../contract.ts';
import { feedKeepMs } from '../contract.ts';
import { type Block, blockKey, blockKeyOf, isRowOf, offsetOf } from './model-block.ts';
import {
  deleteDeadFlows,
  type Entry,
  entryDeadlineMs,
  entryKey,
  firstState,
  flowDeadlineMs,
  isClosing,
  listed,
  outranks,
  remoteKey,
  remoteMeant,
  stateOf,
  storedEntry,
  storedFlow,
  storedWhole,
  successor,
} from './model-entry.ts';
import { ModelFeed } from './model-feed.ts';
import { ModelFragments } from './model-fragments.ts';
import { ModelGrace } from './model-grace.ts';
import { ModelPorts } from './model-ports.ts';

export class ModelShard {
  readonly entries = new Map<string, Entry>();
  readonly feed = new ModelFeed();
  readonly ports = new ModelPorts((event, config, nowMs) =>
    this.feed.append([event], nowMs, feedKeepMs(config)),
  );
  readonly fragments = new ModelFragments();
  readonly grace = new ModelGrace();
  #lastGeneration = 0;
  #timeMs = 0;

  /** The next one is larger. */
  get lastGeneration(): number {
    return this.#lastGeneration;
  }

  /** Shard time: the server's clock, but it never goes back, whichever server answers. */
  timeMs(clockMs: number): number {
    this.#timeMs = Math.max(this.#timeMs, clockMs);
    return this.#timeMs;
  }

  /** Takes over all that another shard holds. */
  copyFrom(other: ModelShard): void {
    this.#lastGeneration = other.#lastGeneration;
    this.#timeMs = other.#timeMs;
    this.feed.copyFrom(other.feed);
    this.fragments.copyFrom(other.fragments);
    this.grace.copyFrom(other.grace);
    for (const [key, entry] of other.entries) {
      this.entries.set(key, { ...entry, flows: new Map(entry.flows) });
    }
    this.ports.copyFrom(other.ports);
  }

  open(request: contract.OpenRequest, config: ClusterConfig, nowMs: number): contract.OpenResult {
    const { inside, proposal } = request;
    const entry = this.entries.get(entryKey(inside));
    const isItsPort = entry !== undefined && this.#holdsItsPort(entry);
    // In grace others may know that it lives: it is not replaced.
    const isBound = isItsPort && this.grace.isOn(config, nowMs);
    if (entry !== undefined && (isBound || entryDeadlineMs(entry, config) > nowMs)) {
      return this.#openOnBinding(entry, request, config, nowMs);
    }
    if (isItsPort) return this.#bind(request, entry.binding.outside, config, nowMs);
    if (proposal === null) return { kind: 'noBinding' };
    if (proposal.port === ANY_PORT) return this.#bindAny(request, proposal.address, config, nowMs);
    const block = this.ports.block(inside.protocol, proposal);
    if (!this.#mayOpenIn(block, request.incarnation, config, nowMs)) return { kind: 'leaseLost' };
    if (!this.#mayTake(block, proposal.port, inside, config, nowMs)) return { kind: 'portTaken' };
    return this.#bind(request, proposal, config, nowMs);
  }

  /** On a port of a block that nobody leases; none while blocks are not granted either. */
  #bindAny(
    request: contract.OpenRequest,
    address: IpAddress,
    config: ClusterConfig,
    nowMs: number,
  ): contract.OpenResult {
    if (!this.grace.mayGrant(config, nowMs)) return { kind: 'noBinding' };
    const { inside, nonce, reserved = [] } = request;
    const range = { shard: shardOfInside(inside), protocol: inside.protocol, address };
    const outside = this.ports.choose(range, nonce, reserved, config, nowMs);
    if (outside === null) return { kind: 'exhausted' };
    return this.#bind(request, outside, config, nowMs);
  }

  /** In grace a holder is believed whose lease was lost or ran out; its opening restores it. */
  #mayOpenIn(block: Block, incarnation: string, config: ClusterConfig, nowMs: number): boolean {
    const isLost = block.lease === null || block.lease.untilMs <= nowMs;
    if (isLost && this.grace.isOn(config, nowMs)) {
      this.ports.holdNow(block, incarnation, config, nowMs);
    }
    const { lease } = block;
    return lease !== null && lease.incarnation === incarnation && lease.untilMs > nowMs;
  }

  /** The binding lives: a flow is added to it, or what is there is answered. */
  #openOnBinding(
    entry: Entry,
    request: contract.OpenRequest,
    config: ClusterConfig,
    nowMs: number,
  ): contract.OpenResult {
    const { remote, nonce, seen, replaces } = request;
    const answer = (kind: 'created' | 'exists'): contract.OpenResult => ({
      kind,
      entry: storedEntry(entry, remote, config, nowMs),
    });
    if (remote === null) {
      this.#merge(entry, entry.binding, null, seen, config, nowMs);
      return answer(entry.binding.nonce === nonce ? 'created' : 'exists');
    }
    const key = remoteKey(remote);
    const flow = entry.flows.get(key);
    if (flow !== undefined && flowDeadlineMs(entry, flow, config) > nowMs) {
      const isOwn = flow.nonce === nonce;
      if (isOwn || replaces === null || !identityEquals(replaces, flow)) {
        this.#merge(entry, flow, remote, seen, config, nowMs);
        return answer(isOwn ? 'created' : 'exists');
      }
      // Whoever carried the last incarnation must not take the next one's packets for its own.
      this.#voidNow(entry, remote, config, nowMs);
    } else {
      if (!this.grace.isOn(config, nowMs)) deleteDeadFlows(entry, config, nowMs);
      if (entry.flows.size >= config.flowsPerEndpointMax) return { kind: 'limit' };
    }
    entry.flows.set(key, { ...this.#newIdentity(nonce, nowMs), ...firstState(seen, nowMs) });
    return answer('created');
  }

  /** Writes a new binding (and its first flow), in place of a dead one if there is one. */
  #bind(
    { inside, remote, nonce, seen }: contract.OpenRequest,
    outside: SocketAddress,
    config: ClusterConfig,
    nowMs: number,
  ): contract.OpenResult {
    const identity = this.#newIdentity(nonce, nowMs);
    const record = { ...identity, ...firstState(seen, nowMs) };
    const empty = { ...identity, flags: 0, seenMs: 0, rstMs: 0 };
    const perRemote = hasFlowPerRemote(config.filtering, inside.protocol);
    const entry: Entry = {
      inside,
      binding: { ...(perRemote ? empty : record), outside },
      flows: new Map(remote === null ? [] : [[remoteKey(remote), record]]),
    };
    this.entries.set(entryKey(inside), entry);
    const { rows } = this.ports.block(inside.protocol, outside);
    rows.set(offsetOf(outside.port), { kind: 'bound', identity, inside });
    this.#void(inside.protocol, outside, null, identity.generation, config, nowMs);
    return { kind: 'created', entry: storedEntry(entry, remote, config, nowMs) };
  }

  /** Whether the port is free for this inside endpoint. Finds orphaned rows, and marks them. A port
   * that is in quarantine since a lease ran out is kept for its holder: who asks in grace. */
  #mayTake(
    block: Block,
    port: number,
    inside: Endpoint,
    config: ClusterConfig,
    nowMs: number,
  ): boolean {
    const row = block.rows.get(offsetOf(port));
    if (row === undefined) return true;
    const sameHolder = row.inside !== null && endpointEquals(row.inside, inside);
    const isHolders = row.inside === null && this.grace.isOn(config, nowMs);
    if (row.kind === 'quarantined') return row.untilMs <= nowMs || sameHolder || isHolders;
    if (this.entryOfRow(row) !== undefined) return false;
    if (sameHolder) return true;
    this.orphan(block, offsetOf(port), row.inside, config, nowMs);
    return false;
  }

  find(request: contract.FindRequest, config: ClusterConfig, nowMs: number): contract.FindResult {
    const entry = this.#entryAskedFor(request);
    const inGrace = this.grace.isOn(config, nowMs);
    if (entry === undefined || entryDeadlineMs(entry, config) <= nowMs) {
      return { kind: inGrace ? 'notYet' : 'no' };
    }
    const remote = remoteMeant(entry, request.remote, config);
    const found = storedEntry(entry, remote, config, nowMs);
    const flowIsMissing =
      hasFlowPerRemote(config.filtering, entry.inside.protocol) && request.remote !== null;
    if (inGrace && flowIsMissing && found.flow === null) return { kind: 'notYet' };
    return { kind: 'entry', entry: found };
  }

  list(block: PortBlock, config: ClusterConfig, nowMs: number): contract.ListedFlow[] {
    const rows = [...(this.ports.blocks.get(blockKey(block))?.rows.values() ?? [])];
    const entries = rows.map((row) => (row.kind === 'bound' ? this.entryOfRow(row) : undefined));
    return entries.flatMap((entry) => (entry ? listed(entry, config, nowMs) : []));
  }

  reassert(
    request: contract.ReassertRequest,
    config: ClusterConfig,
    nowMs: number,
  ): contract.ReassertResult {
    if (!this.grace.isOn(config, nowMs)) return { kind: 'tooLate' };
    const { inside, remote, outside, identity, seen } = request;
    const mayTake = () => {
      const block = this.ports.block(inside.protocol, outside);
      return this.#mayTake(block, outside.port, inside, config, nowMs);
    };
    let entry = this.entries.get(entryKey(inside));
    const { sinceMs } = this.grace;
    if (entry !== undefined && outranks(request, entry, sinceMs, config, nowMs) && mayTake()) {
      this.unbind(entry, config, nowMs);
      entry = undefined;
    }
    if (entry === undefined) {
      if (!mayTake()) return { kind: 'tooLate' };
      entry = this.#restore(request, config, nowMs);
    }
    let record = remote === null ? entry.binding : entry.flows.get(remoteKey(remote));
    const sameOutside = socketAddressEquals(entry.binding.outside, outside);
    if (sameOutside && record !== undefined && record.generation < identity.generation) {
      if (remote !== null) {
        this.#void(inside.protocol, outside, remote, identity.generation, config, nowMs);
        record = successor(entry, record, identity, config, nowMs);
      } else record = this.#rename(entry, identity);
    }
    const sameFlow = record === undefined || identityEquals(record, identity);
    if (!sameFlow || !sameOutside) {
      // Opened twice, at a master that was replaced and at the next: one connection all the same.
      const state = stateOf(seen, nowMs);
      const isOne = record !== undefined && sameOutside && !isClosing(state);
      if (isOne) this.#merge(entry, record!, remote, seen, config, nowMs);
      return { kind: 'exists', entry: storedEntry(entry, remote, config, nowMs) };
    }
    this.#lastGeneration = Math.max(this.#lastGeneration, identity.generation);
    const merged =
      record === undefined
        ? { ...identity, ...firstState(seen, nowMs) }
        : this.#merge(entry, record, remote, seen, config, nowMs);
    if (remote !== null) entry.flows.set(remoteKey(remote), merged);
    return { kind: 'restored', flow: storedFlow(entry, merged, config, nowMs) };
  }

  /** A binding and its former incarnation are one mapping: it goes on under the later identity. */
  #rename(entry: Entry, identity: Identity): BindingRecord {
    const { inside, binding } = entry;
    const { rows } = this.ports.block(inside.protocol, binding.outside);
    const offset = offsetOf(binding.outside.port);
    const row = rows.get(offset);
    if (row?.kind !== 'bound' || !isRowOf(row, entry)) return binding;
    rows.set(offset, { kind: 'bound', identity, inside });
    entry.binding = { ...binding, ...identity };
    return entry.binding;
  }

  /** A binding that was lost, as its holder knew it; for TCP its identity is the first flow's. */
  #restore(
    { inside, remote, outside, identity, seen }: contract.ReassertRequest,
    config: ClusterConfig,
    nowMs: number,
  ): Entry {
    const state = remote === null ? firstState(seen, nowMs) : { flags: 0, seenMs: 0, rstMs: 0 };
    const entry = { inside, binding: { ...identity, ...state, outside }, flows: new Map() };
    this.entries.set(entryKey(inside), entry);
    const row = { kind: 'bound', identity, inside } as const;
    this.ports.block(inside.protocol, outside).rows.set(offsetOf(outside.port), row);
    // Of TCP the first flow may be older than the one that came first: it is told again, too.
    if (remote === null) {
      this.#void(inside.protocol, outside, null, identity.generation, config, nowMs);
    }
    return entry;
  }

  #entryAskedFor(request: contract.FindRequest): Entry | undefined {
    if (request.direction === 'inside') return this.entries.get(entryKey(request.inside));
    const block = this.ports.blocks.get(blockKeyOf(request.protocol, request.outside));
    const row = block?.rows.get(offsetOf(request.outside.port));
    return row?.kind === 'bound' ? this.entryOfRow(row) : undefined;
  }

  touch(
    request: contract.TouchRequest,
    config: ClusterConfig,
    nowMs: number,
  ): contract.TouchResult {
    const { inside, outside, remote, identity, seen } = request;
    const entry = this.entries.get(entryKey(inside));
    const record = remote === null ? entry?.binding : entry?.flows.get(remoteKey(remote));
    if (entry === undefined || record === undefined) return { kind: 'gone' };
    if (!socketAddressEquals(entry.binding.outside, outside)) return { kind: 'gone' };
    if (flowDeadlineMs(entry, record, config) <= nowMs) return { kind: 'gone' };
    if (!identityEquals(record, identity)) return { kind: 'stale' };
    const merged = this.#merge(entry, record, remote, seen, config, nowMs);
    return { kind: 'merged', flow: storedFlow(entry, merged, config, nowMs) };
  }

  /** Merges a sighting into a flow or binding; who else carries a flow that now closes is told. */
  #merge(
    entry: Entry,
    record: FlowRecord,
    remote: SocketAddress | null,
    seen: contract.Sighting,
    config: ClusterConfig,
    nowMs: number,
  ): FlowRecord {
    const { generation, nonce } = record;
    const merged = { generation, nonce, ...mergeState(record, stateOf(seen, nowMs)) };
    if (remote === null) {
      entry.binding = { ...entry.binding, ...merged };
      return merged;
    }
    entry.flows.set(remoteKey(remote), merged);
    if (isClosing(merged) && !isClosing(record)) {
      const { outside } = entry.binding;
      const event = { kind: 'closing', protocol: entry.inside.protocol, outside, remote } as const;
      this.feed.append([event], nowMs, feedKeepMs(config));
    }
    return merged;
  }

  close(
    request: contract.CloseRequest,
    config: ClusterConfig,
    nowMs: number,
  ): contract.CloseResult {
    const { inside, remote, identity, reason } = request;
    const entry = this.entries.get(entryKey(inside));
    const record = remote === null ? entry?.binding : entry?.flows.get(remoteKey(remote));
    if (entry === undefined || record === undefined) return { kind: 'gone' };
    if (!identityEquals(record, identity)) return { kind: 'stale' };
    const whole = remote === null;
    const dueMs = whole ? entryDeadlineMs(entry, config) : flowDeadlineMs(entry, record, config);
    if (reason === 'idle' && dueMs > nowMs) {
      const flow = whole
        ? storedWhole(entry, config, nowMs)
        : storedFlow(entry, record, config, nowMs);
      return { kind: 'alive', flow };
    }
    if (reason === 'idle' && !this.grace.mayClose(config, nowMs)) return { kind: 'notYet' };
    if (!whole) entry.flows.delete(remoteKey(remote));
    if (whole || entry.flows.size === 0) this.unbind(entry, config, nowMs);
    else if (reason === 'cancel') this.#voidNow(entry, remote, config, nowMs);
    return { kind: 'closed' };
  }

  /** What is told void is below this generation: a new one unless several go together. */
  unbind(entry: Entry, config: ClusterConfig, nowMs: number, below?: number): void {
    this.entries.delete(entryKey(entry.inside));
    const { outside } = entry.binding;
    const { protocol } = entry.inside;
    this.#void(protocol, outside, null, below ?? this.nextGeneration(nowMs), config, nowMs);
    const block = this.ports.block(entry.inside.protocol, outside);
    const row = block.rows.get(offsetOf(outside.port));
    if (row?.kind !== 'bound' || !isRowOf(row, entry)) return;
    this.ports.quarantine(block, offsetOf(outside.port), entry.inside, config, nowMs);
  }

  /** Whatever any gateway caches of the binding (or one flow of it) is void from now on. */
  #voidNow(
    { inside, binding }: Entry,
    remote: SocketAddress | null,
    config: ClusterConfig,
    nowMs: number,
  ): void {
    const below = this.nextGeneration(nowMs);
    this.#void(inside.protocol, binding.outside, remote, below, config, nowMs);
  }

  #void(
    protocol: number,
    outside: SocketAddress,
    remote: SocketAddress | null,
    below: number,
    config: ClusterConfig,
    nowMs: number,
  ): void {
    const event = { kind: 'void', protocol, outside, remote, below } as const;
    this.feed.append([event], nowMs, feedKeepMs(config));
  }

  /** A row whose entry is gone without a trace: nobody was told, so everybody is told now. */
  orphan(
    block: Block,
    offset: number,
    inside: Endpoint,
    config: ClusterConfig,
    nowMs: number,
  ): void {
    const outside = { address: block.address, port: firstPortOfBlock(block.block) + offset };
    this.#void(block.protocol, outside, null, this.nextGeneration(nowMs), config, nowMs);
    this.ports.quarantine(block, offset, inside, config, nowMs);
  }

  #holdsItsPort(entry: Entry): boolean {
    const { outside } = entry.binding;
    const block = this.ports.blocks.get(blockKeyOf(entry.inside.protocol, outside));
    const row = block?.rows.get(offsetOf(outside.port));
    return row?.kind === 'bound' && isRowOf(row, entry);
  }

  /** Undefined for an orphan: its entry is gone or names another identity. */
  entryOfRow(row: PortRow & { kind: 'bound' }): Entry | undefined {
    const entry = this.entries.get(entryKey(row.inside));
    return entry !== undefined && isRowOf(row, entry) ? entry : undefined;
  }

  #newIdentity(nonce: number, nowMs: number): Identity {
    return { generation: this.nextGeneration(nowMs), nonce };
  }

  nextGeneration(nowMs: number): number {
    this.#lastGeneration = Math.max(this.#lastGeneration + 1, nowMs * 1000);
    return this.#lastGeneration;
  }
}
