/**
 * The flows of the benchmark, by shard: inside endpoints by number as in workload.ts, and for each
 * an outside port of its shard, in the order in which a gateway would come to them.
 *
 * A gateway holds a few blocks of each outside address. So ports are used in groups: a block of
 * every address, 256 ports, in random order, and then the next ones.
 */
import {
  BLOCK_PORTS,
  BLOCKS_PER_SHARD,
  blockOfShard,
  type Endpoint,
  firstPortOfBlock,
  type IpAddress,
  SHARDS,
  type SocketAddress,
  shardOfInside,
  TCP,
} from '@flowstore/flow';
import { insideAddress, insidePort, REMOTE_PORT, remoteAddress, shuffled } from '../workload.ts';

export const POOL = '203.0.113.0/28';
export const ADDRESSES: readonly IpAddress[] = Array.from({ length: 16 }, (_, i) =>
  Uint8Array.of(203, 0, 113, i),
);
const GROUP_PORTS = ADDRESSES.length * BLOCK_PORTS;
/** What 16 outside addresses have for one protocol. */
export const FLOWS_PER_SHARD_MAX = BLOCKS_PER_SHARD * GROUP_PORTS;

export interface BenchFlow {
  readonly inside: Endpoint;
  readonly outside: SocketAddress;
  /** null for UDP, whose binding serves every peer. */
  readonly remote: SocketAddress | null;
}

/** Numbers of inside endpoints, `perShard` for each shard. */
export function numbersByShard(protocol: number, perShard: number): readonly Uint32Array[] {
  const numbers = Array.from({ length: SHARDS }, () => new Uint32Array(perShard));
  const filled = new Array<number>(SHARDS).fill(0);
  for (let n = 0, left = SHARDS * perShard; left > 0; n++) {
    const shard = shardOfInside(insideOf(protocol, n));
    if (filled[shard] === perShard) continue;
    numbers[shard]![filled[shard]!++] = n;
    left -= 1;
  }
  return numbers;
}

export function flowsOfShard(
  shard: number,
  protocol: number,
  numbers: Uint32Array,
): readonly BenchFlow[] {
  const order = shuffled(GROUP_PORTS);
  return Array.from(numbers, (n, i) => {
    const place = order[i % GROUP_PORTS]!;
    const address = ADDRESSES[Math.floor(place / BLOCK_PORTS)]!;
    const block = blockOfShard(shard, protocol, address, Math.floor(i / GROUP_PORTS));
    return {
      inside: insideOf(protocol, n),
      outside: { address, port: firstPortOfBlock(block) + (place % BLOCK_PORTS) },
      remote: protocol === TCP ? { address: bytesOf(remoteAddress(n)), port: REMOTE_PORT } : null,
    };
  });
}

function insideOf(protocol: number, n: number): Endpoint {
  return { domain: 0, protocol, address: bytesOf(insideAddress(n)), port: insidePort(n) };
}

function bytesOf(address: number): IpAddress {
  return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
}
