/**
 * The outside ports of a shard in the model: blocks with their rows, quarantine marks and leases.
 * It knows nothing of entries: whether a bound row is an orphan is the shard's to say.
 */
import {
  addressEquals,
  BLOCK_PORTS,
  BLOCKS_PER_SHARD,
  blockOfPort,
  blockOfShard,
  type ClusterConfig,
  type Endpoint,
  firstPortOfBlock,
  type SocketAddress,
  type Subscriber,
} from '@flowstore/flow';
import type * as contract from '../contract.ts';
import {
  type Block,
  blockKey,
  blockKeyOf,
  freePortsOf,
  holdsLease,
  isFree,
  leasedBlock,
} from './model-block.ts';

const ALL_PORTS = 2 ** BLOCK_PORTS - 1;

/** Somebody else leases a block from now on, or nobody. */
type TellLease = (
  event: contract.FeedEvent & { kind: 'lease' },
  config: ClusterConfig,
  nowMs: number,
) => void;

export class ModelPorts {
  readonly blocks = new Map<string, Block>();
  readonly #tell: TellLease;

  constructor(tell: TellLease) {
    this.#tell = tell;
  }

  copyFrom(other: ModelPorts): void {
    for (const [key, block] of other.blocks) {
      this.blocks.set(key, { ...block, rows: new Map(block.rows) });
    }
  }

  block(protocol: number, { address, port }: SocketAddress): Block {
    const key = blockKeyOf(protocol, { address, port });
    let block = this.blocks.get(key);
    if (block === undefined) {
      block = {
        protocol,
        address,
        block: blockOfPort(port),
        rows: new Map(),
        lease: null,
        goOn: null,
      };
      this.blocks.set(key, block);
    }
    return block;
  }

  /** @param which blocks that nobody leases now, or those without a lease, be it over, and without
   *   a row that counts */
  lease(
    request: contract.LeaseRequest,
    which: 'unleased' | 'untouched',
    config: ClusterConfig,
    nowMs: number,
  ): contract.LeaseResult {
    const { shard, protocol, address, incarnation } = request;
    const granted: contract.LeasedBlock[] = [];
    for (let step = 0; step < BLOCKS_PER_SHARD && granted.length < request.blocks; step++) {
      const index = (request.start + step) % BLOCKS_PER_SHARD;
      const number = blockOfShard(shard, protocol, address, index);
      if (request.reserved?.includes(number)) continue;
      const block = this.block(protocol, { address, port: firstPortOfBlock(number) });
      if (which === 'unleased') this.expireLease(block, config, nowMs);
      const freePorts = freePortsOf(block, nowMs);
      const isWanted = which === 'unleased' ? freePorts !== 0 : freePorts === ALL_PORTS;
      if (block.lease !== null || !isWanted) continue;
      this.holdNow(block, incarnation, config, nowMs);
      granted.push(leasedBlock(block, freePorts, config));
    }
    return granted.length > 0 ? { kind: 'granted', blocks: granted } : { kind: 'exhausted' };
  }

  /** A free port of a block that nobody leases, the first one's from the n-th on; null: none. */
  choose(
    { shard, protocol, address }: Pick<contract.LeaseRequest, 'shard' | 'protocol' | 'address'>,
    n: number,
    reserved: readonly number[],
    config: ClusterConfig,
    nowMs: number,
  ): SocketAddress | null {
    for (let step = 0; step < BLOCKS_PER_SHARD; step++) {
      const number = blockOfShard(shard, protocol, address, (n + step) % BLOCKS_PER_SHARD);
      if (reserved.includes(number)) continue;
      const first = firstPortOfBlock(number);
      const block = this.block(protocol, { address, port: first });
      this.expireLease(block, config, nowMs);
      if (block.lease !== null) continue;
      const free = Array.from({ length: BLOCK_PORTS }, (_, offset) => offset).filter((offset) =>
        isFree(block.rows.get(offset), nowMs),
      );
      if (free.length > 0) return { address, port: first + free[n % free.length]! };
    }
    return null;
  }

  renew(
    ref: contract.LeaseRef,
    inGrace: boolean,
    config: ClusterConfig,
    nowMs: number,
  ): { kind: 'renewed'; block: contract.LeasedBlock } | { kind: 'leaseLost' } {
    const { address, incarnation } = ref;
    const block = inGrace
      ? this.block(ref.protocol, { address, port: firstPortOfBlock(ref.block) })
      : this.blocks.get(blockKey(ref));
    if (block === undefined) return { kind: 'leaseLost' };
    const restored = inGrace && (block.lease === null || block.lease.untilMs <= nowMs);
    if (!restored && !holdsLease(block, ref, nowMs)) return { kind: 'leaseLost' };
    if (restored) this.holdNow(block, incarnation, config, nowMs);
    block.lease = { incarnation, untilMs: nowMs + config.leaseMs };
    const renewed = leasedBlock(block, freePortsOf(block, nowMs), config);
    return { kind: 'renewed', block: renewed };
  }

  /** Given back in order: nobody used its rowless ports, so they are free at once. */
  release(ref: contract.LeaseRef, config: ClusterConfig, nowMs: number): contract.ReleaseResult {
    const block = this.blocks.get(blockKey(ref));
    if (block === undefined || !holdsLease(block, ref, nowMs)) return { kind: 'leaseLost' };
    this.holdNow(block, null, config, nowMs);
    return { kind: 'released' };
  }

  /** Who leases the block from now on. */
  holdNow(block: Block, holder: string | null, config: ClusterConfig, nowMs: number): void {
    const untilMs = nowMs + config.leaseMs;
    block.lease = holder === null ? null : { incarnation: holder, untilMs };
    const { protocol, address, block: number } = block;
    this.#tell({ kind: 'lease', protocol, address, block: number, holder }, config, nowMs);
  }

  /** The holder may have used any rowless port up to the end (provisional flows): all of them
   * begin in quarantine. */
  expireLease(block: Block, config: ClusterConfig, nowMs: number): boolean {
    if (block.lease === null || block.lease.untilMs > nowMs) return false;
    this.holdNow(block, null, config, nowMs);
    for (let offset = 0; offset < BLOCK_PORTS; offset++) {
      if (isFree(block.rows.get(offset), nowMs)) {
        this.quarantine(block, offset, null, config, nowMs);
      }
    }
    return true;
  }

  /** The ports that are bound to an inside endpoint of the subscriber. */
  countOf({ domain, address }: Subscriber): number {
    const rows = [...this.blocks.values()].flatMap((block) => [...block.rows.values()]);
    return rows.filter(
      ({ kind, inside }) =>
        kind === 'bound' && inside.domain === domain && addressEquals(inside.address, address),
    ).length;
  }

  quarantine(
    block: Block,
    offset: number,
    inside: Endpoint | null,
    config: ClusterConfig,
    nowMs: number,
  ): void {
    const untilMs = nowMs + config.quarantineMs + config.slack.clockSkewMs;
    block.rows.set(offset, { kind: 'quarantined', untilMs, inside });
  }
}
