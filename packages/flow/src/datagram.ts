/**
 * What all fragments of one datagram share, and no other datagram's that is on its way: the store's
 * key for them. The domain tells the side, as in flow keys: inside hosts have their network's, what
 * comes from outside OUTSIDE_DOMAIN.
 *
 * ```
 *  0         3          4          4+a           4+2a                   a = 4 or 16
 *  +---------+----------+----------+-------------+----------------+
 *  | domain  | protocol | source   | destination | identification |     4 bytes: IPv6 has as many
 *  +---------+----------+----------+-------------+----------------+
 * ```
 */
import type { IpAddress } from './address.ts';
import { SHARDS, stableHash } from './shard.ts';

/**
 * How long it is kept how a datagram's fragments go, after the first one came: RFC 791's timer for
 * reassembly. Shorter than any quarantine, so what it names is nobody else's yet.
 */
export const FRAGMENT_LIFE_MS = 15_000;
/** A datagram's longest life on its way (RFC 6864): so long no other has its identification. */
export const DATAGRAM_LIFE_MS = 120_000;

export interface Datagram {
  readonly domain: number;
  readonly protocol: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly identification: number;
}

export function packDatagram(datagram: Datagram): Uint8Array {
  const { domain, protocol, source, destination, identification } = datagram;
  const bytes = new Uint8Array(4 + source.length + destination.length + 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (domain << 8) | protocol);
  bytes.set(source, 4);
  bytes.set(destination, 4 + source.length);
  view.setUint32(bytes.length - 4, identification);
  return bytes;
}

export function shardOfDatagram(datagram: Datagram): number {
  return stableHash(packDatagram(datagram)) % SHARDS;
}
