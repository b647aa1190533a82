/**
 * Shards: where a binding lives. The inside endpoint's hash picks the shard, and outside ports are
 * dealt to shards in small blocks by arithmetic alone, so that either endpoint tells the shard
 * without a directory.
 *
 * ```
 * one outside address, one protocol:  | port 0..1023 | block 0 | block 1 | ... | block 4031 |
 *                                       never leased   1024..    1040..          65520..65535
 * shard of block b of outside address a:  (b + hash(a, protocol)) mod 64
 * ```
 *
 * Every shard owns 63 blocks of 16 ports of each outside address and protocol.
 */
import type { IpAddress } from './address.ts';
import { type Endpoint, packEndpoint } from './endpoint.ts';

/** Cluster-wide constants of the record layout. */
export const SHARDS = 64;
export const BLOCK_PORTS = 16;
export const FIRST_PORT = 1024;
/** As a proposal's port: the store chooses one of the address, of a block that nobody leases. It is
 * for who is answered `exhausted` to a lease: it costs the store a search. */
export const ANY_PORT = 0;
export const BLOCKS = (65_536 - FIRST_PORT) / BLOCK_PORTS;
export const BLOCKS_PER_SHARD = BLOCKS / SHARDS;

/** FNV-1a with a final avalanche, 32 bits: the same in every gateway, for ever. */
export function stableHash(bytes: Uint8Array, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export function shardOfInside(inside: Endpoint): number {
  return stableHash(packEndpoint(inside)) % SHARDS;
}

/** A run of outside ports that belongs to one shard and is leased as a whole. */
export interface PortBlock {
  readonly protocol: number;
  readonly address: IpAddress;
  /** 0 to BLOCKS - 1. */
  readonly block: number;
}

export function blockOfPort(port: number): number {
  return Math.floor((port - FIRST_PORT) / BLOCK_PORTS);
}

export function firstPortOfBlock(block: number): number {
  return FIRST_PORT + block * BLOCK_PORTS;
}

/** Whether the port can be leased at all: FIRST_PORT and above. */
export function isPoolPort(port: number): boolean {
  return port >= FIRST_PORT && port <= 65_535;
}

export function shardOfBlock({ protocol, address, block }: PortBlock): number {
  return (block + stableHash(address, protocol)) % SHARDS;
}

/** The shard of an outside endpoint whose port is a pool port. */
export function shardOfOutside(protocol: number, address: IpAddress, port: number): number {
  return shardOfBlock({ protocol, address, block: blockOfPort(port) });
}

/** The shard's `index`-th block (0 to BLOCKS_PER_SHARD - 1) of an outside address. */
export function blockOfShard(
  shard: number,
  protocol: number,
  address: IpAddress,
  index: number,
): number {
  const first = (shard + SHARDS - (stableHash(address, protocol) % SHARDS)) % SHARDS;
  return first + index * SHARDS;
}
