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
  BLOCK_PORTS,
  BLOCKS_PER_SHARD,
  blockOfPort,
  blockOfShard,
  type ClusterConfig,
  type Endpoint,
  endpointEquals,
  firstPortOfBlock,
  hasFlowPerRemote,
  type Identity,
  identityEquals,
  mergeState,
  type PortRow,
  type SocketAddress,
} from '@flowstore/flow';
import type * as contract from '../contract.ts';
import {
  type Block,
  blockKey,
  blockKeyOf,
  freePortsOf,
  holdsLease,
  isFree,
  isRowOf,
  leasedBlock,
  offsetOf,
} from './model-block.ts';
import {
  type Entry,
  entryDeadlineMs,
  entryKey,
  firstDeadlineMs,
  flowDeadlineMs,
  remoteKey,
  stateOf,
  storedEntry,
  storedFlow,
  storedWhole,
} from './model-entry.ts';

/** What a sweep did; the rest of its result is about what is left to do. */
type SweepCounts = Record<
  'flowsDeleted' | 'bindingsDeleted' | 'rowsOrphaned' | 'portsFreed' | 'leasesExpired',
  number
>;

export class ModelShard {
  readonly entries = new Map<string, Entry>();
  readonly blocks = new Map<string, Block>();
  #lastGeneration = 0;
  #timeMs = 0;

  /** Shard time: the server's clock, but it never goes back, whichever server answers. */
  timeMs(clockMs: number): number {
    this.#timeMs = Math.max(this.#timeMs, clockMs);
    return this.#timeMs;
  }

  /** Takes over all that another shard holds. */
  copyFrom(other: ModelShard): void {
    this.#lastGeneration = other.#lastGeneration;
    this.#timeMs = other.#timeMs;
    for (const [key, entry] of other.entries) {
      this.entries.set(key, { ...entry, flows: new Map(entry.flows) });
    }
    for (const [key, block] of other.blocks) {
      this.blocks.set(key, { ...block, rows: new Map(block.rows) });
    }
  }

  open(request: contract.OpenRequest, config: ClusterConfig, nowMs: number): contract.OpenResult {
    const { inside, proposal } = request;
    const entry = this.entries.get(entryKey(inside));
    if (entry !== undefined && entryDeadlineMs(entry, config) > nowMs) {
      return this.#openOnBinding(entry, request, config, nowMs);
    }
    if (entry !== undefined && this.#holdsItsPort(entry)) {
      return this.#bind(request, entry.binding.outside, config, nowMs);
    }
    if (proposal === null) return { kind: 'noBinding' };
    const block = this.#block(inside.protocol, proposal);
    const { lease } = block;
    if (lease === null || lease.incarnation !== request.incarnation || lease.untilMs <= nowMs) {
      return { kind: 'leaseLost' };
    }
    if (!this.#mayTake(block, proposal.port, inside, config, nowMs)) return { kind: 'portTaken' };
    return this.#bind(request, proposal, config, nowMs);
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
      if (entry.binding.nonce === nonce) return answer('created');
      entry.binding = { ...entry.binding, ...mergeState(entry.binding, stateOf(seen, nowMs)) };
      return answer('exists');
    }
    const key = remoteKey(remote);
    const flow = entry.flows.get(key);
    if (flow !== undefined && flowDeadlineMs(entry, flow, config) > nowMs) {
      if (flow.nonce === nonce) return answer('created');
      if (replaces === null || !identityEquals(replaces, flow)) {
        entry.flows.set(key, { ...flow, ...mergeState(flow, stateOf(seen, nowMs)) });
        return answer('exists');
      }
    } else {
      for (const [other, state] of [...entry.flows]) {
        if (flowDeadlineMs(entry, state, config) <= nowMs) entry.flows.delete(other);
      }
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
    const perRemote = hasFlowPerRemote(inside.protocol);
    const entry: Entry = {
      inside,
      binding: { ...(perRemote ? empty : record), outside },
      flows: new Map(remote === null ? [] : [[remoteKey(remote), record]]),
    };
    this.entries.set(entryKey(inside), entry);
    const offset = offsetOf(outside.port);
    this.#block(inside.protocol, outside).rows.set(offset, { kind: 'bound', identity, inside });
    return { kind: 'created', entry: storedEntry(entry, remote, config, nowMs) };
  }

  /** Whether the port is free for this inside endpoint. Finds orphaned rows, and marks them. */
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
    if (row.kind === 'quarantined') return row.untilMs <= nowMs || sameHolder;
    if (this.#entryOfRow(row) !== undefined) return false;
    if (sameHolder) return true;
    this.#quarantine(block, offsetOf(port), row.inside, config, nowMs);
    return false;
  }

  find(request: contract.FindRequest, config: ClusterConfig, nowMs: number): contract.FindResult {
    const entry = this.#entryAskedFor(request);
    if (entry === undefined || entryDeadlineMs(entry, config) <= nowMs) return { kind: 'no' };
    return { kind: 'entry', entry: storedEntry(entry, request.remote, config, nowMs) };
  }

  #entryAskedFor(request: contract.FindRequest): Entry | undefined {
    if (request.direction === 'inside') return this.entries.get(entryKey(request.inside));
    const block = this.blocks.get(blockKeyOf(request.protocol, request.outside));
    const row = block?.rows.get(offsetOf(request.outside.port));
    return row?.kind === 'bound' ? this.#entryOfRow(row) : undefined;
  }

  touch(
    request: contract.TouchRequest,
    config: ClusterConfig,
    nowMs: number,
  ): contract.TouchResult {
    const { inside, remote, identity, seen } = request;
    const entry = this.entries.get(entryKey(inside));
    const record = remote === null ? entry?.binding : entry?.flows.get(remoteKey(remote));
    if (entry === undefined || record === undefined) return { kind: 'gone' };
    if (flowDeadlineMs(entry, record, config) <= nowMs) return { kind: 'gone' };
    if (!identityEquals(record, identity)) return { kind: 'stale' };
    const merged = { ...record, ...mergeState(record, stateOf(seen, nowMs)) };
    if (remote === null) entry.binding = { ...entry.binding, ...merged };
    else entry.flows.set(remoteKey(remote), merged);
    return { kind: 'merged', flow: storedFlow(entry, merged, config, nowMs) };
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
    if (!whole) entry.flows.delete(remoteKey(remote));
    if (whole || entry.flows.size === 0) this.#unbind(entry, config, nowMs);
    return { kind: 'closed' };
  }

  sweep(blocksMax: number, config: ClusterConfig, nowMs: number): contract.SweepResult {
    const due = this.#byDeadline(config, nowMs).filter(({ dueMs }) => dueMs <= nowMs);
    const counts = {
      flowsDeleted: 0,
      bindingsDeleted: 0,
      rowsOrphaned: 0,
      portsFreed: 0,
      leasesExpired: 0,
    };
    const chosen = due.slice(0, blocksMax);
    for (const { block } of chosen) this.#sweepBlock(block, counts, config, nowMs);
    const [next] = this.#byDeadline(config, nowMs);
    return {
      ...counts,
      blocks: chosen.length,
      overdueMs: due.length === 0 ? 0 : nowMs - due[0]!.dueMs,
      nextDueMs: next === undefined ? null : Math.max(0, next.dueMs - nowMs),
    };
  }

  #sweepBlock(block: Block, counts: SweepCounts, config: ClusterConfig, nowMs: number): void {
    for (const [offset, row] of [...block.rows]) {
      if (row.kind === 'quarantined') {
        if (row.untilMs > nowMs) continue;
        block.rows.delete(offset);
        counts.portsFreed += 1;
        continue;
      }
      const entry = this.#entryOfRow(row);
      if (entry === undefined) {
        this.#quarantine(block, offset, row.inside, config, nowMs);
        counts.rowsOrphaned += 1;
        continue;
      }
      for (const [key, flow] of [...entry.flows]) {
        if (flowDeadlineMs(entry, flow, config) > nowMs) continue;
        entry.flows.delete(key);
        counts.flowsDeleted += 1;
      }
      if (entryDeadlineMs(entry, config) > nowMs) continue;
      if (!hasFlowPerRemote(block.protocol)) counts.flowsDeleted += 1;
      counts.bindingsDeleted += 1;
      this.#unbind(entry, config, nowMs);
    }
    if (this.#expireLease(block, config, nowMs)) counts.leasesExpired += 1;
    if (block.rows.size === 0 && block.lease === null) this.blocks.delete(blockKey(block));
  }

  lease(
    request: contract.LeaseRequest,
    config: ClusterConfig,
    nowMs: number,
  ): contract.LeaseResult {
    const { shard, protocol, address, incarnation } = request;
    const granted: contract.LeasedBlock[] = [];
    for (let step = 0; step < BLOCKS_PER_SHARD && granted.length < request.blocks; step++) {
      const index = (request.start + step) % BLOCKS_PER_SHARD;
      const number = blockOfShard(shard, protocol, address, index);
      const block = this.#block(protocol, { address, port: firstPortOfBlock(number) });
      this.#expireLease(block, config, nowMs);
      const freePorts = freePortsOf(block, nowMs);
      if (block.lease !== null || freePorts === 0) continue;
      block.lease = { incarnation, untilMs: nowMs + config.leaseMs };
      granted.push(leasedBlock(block, freePorts, config));
    }
    return granted.length > 0 ? { kind: 'granted', blocks: granted } : { kind: 'exhausted' };
  }

  renew(ref: contract.LeaseRef, config: ClusterConfig, nowMs: number): contract.RenewResult {
    const block = this.blocks.get(blockKey(ref));
    if (block === undefined || !holdsLease(block, ref, nowMs)) return { kind: 'leaseLost' };
    block.lease = { incarnation: ref.incarnation, untilMs: nowMs + config.leaseMs };
    return { kind: 'renewed', block: leasedBlock(block, freePortsOf(block, nowMs), config) };
  }

  /** Given back in order: nobody used its rowless ports, so they are free at once. */
  release(ref: contract.LeaseRef, nowMs: number): contract.ReleaseResult {
    const block = this.blocks.get(blockKey(ref));
    if (block === undefined || !holdsLease(block, ref, nowMs)) return { kind: 'leaseLost' };
    block.lease = null;
    return { kind: 'released' };
  }

  /** The holder may have used any rowless port up to the end (provisional flows): all of them
   * begin in quarantine. */
  #expireLease(block: Block, config: ClusterConfig, nowMs: number): boolean {
    if (block.lease === null || block.lease.untilMs > nowMs) return false;
    block.lease = null;
    for (let offset = 0; offset < BLOCK_PORTS; offset++) {
      if (isFree(block.rows.get(offset), nowMs)) {
        this.#quarantine(block, offset, null, config, nowMs);
      }
    }
    return true;
  }

  #unbind(entry: Entry, config: ClusterConfig, nowMs: number): void {
    this.entries.delete(entryKey(entry.inside));
    const { outside } = entry.binding;
    const block = this.#block(entry.inside.protocol, outside);
    const row = block.rows.get(offsetOf(outside.port));
    if (row?.kind !== 'bound' || !isRowOf(row, entry)) return;
    this.#quarantine(block, offsetOf(outside.port), entry.inside, config, nowMs);
  }

  #quarantine(
    block: Block,
    offset: number,
    inside: Endpoint | null,
    config: ClusterConfig,
    nowMs: number,
  ): void {
    const untilMs = nowMs + config.quarantineMs + config.slack.clockSkewMs;
    block.rows.set(offset, { kind: 'quarantined', untilMs, inside });
  }

  #holdsItsPort(entry: Entry): boolean {
    const { outside } = entry.binding;
    const block = this.blocks.get(blockKeyOf(entry.inside.protocol, outside));
    const row = block?.rows.get(offsetOf(outside.port));
    return row?.kind === 'bound' && isRowOf(row, entry);
  }

  /** Undefined for an orphan: its entry is gone or names another identity. */
  #entryOfRow(row: PortRow & { kind: 'bound' }): Entry | undefined {
    const entry = this.entries.get(entryKey(row.inside));
    return entry !== undefined && isRowOf(row, entry) ? entry : undefined;
  }

  #newIdentity(nonce: number, nowMs: number): Identity {
    this.#lastGeneration = Math.max(this.#lastGeneration + 1, nowMs * 1000);
    return { generation: this.#lastGeneration, nonce };
  }

  #block(protocol: number, { address, port }: SocketAddress): Block {
    const key = blockKeyOf(protocol, { address, port });
    let block = this.blocks.get(key);
    if (block === undefined) {
      block = { protocol, address, block: blockOfPort(port), rows: new Map(), lease: null };
      this.blocks.set(key, block);
    }
    return block;
  }

  /** Every block that holds something, the one to be looked at first in front. */
  #byDeadline(config: ClusterConfig, nowMs: number): { block: Block; dueMs: number }[] {
    const blocks = [...this.blocks.values()];
    return blocks
      .filter(({ rows, lease }) => rows.size > 0 || lease !== null)
      .map((block) => ({ block, dueMs: this.#dueMs(block, config, nowMs) }))
      .sort((a, b) => a.dueMs - b.dueMs);
  }

  /** An orphaned row wants its quarantine at once. */
  #dueMs({ rows, lease }: Block, config: ClusterConfig, nowMs: number): number {
    const dues = lease === null ? [] : [lease.untilMs];
    for (const row of rows.values()) {
      if (row.kind === 'quarantined') {
        dues.push(row.untilMs);
      } else {
        const entry = this.#entryOfRow(row);
        dues.push(entry === undefined ? nowMs : firstDeadlineMs(entry, config));
      }
    }
    return Math.min(...dues);
  }
}

/** The opening packet itself was seen, so an opening without any age was seen just now. */
function firstState(seen: contract.Sighting, nowMs: number) {
  const unseen = seen.ageMs === null && seen.rstAgeMs === null;
  return stateOf(unseen ? { ...seen, ageMs: 0 } : seen, nowMs);
}
