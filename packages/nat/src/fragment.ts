/**
 * Fragments of a datagram (RFC 791 section 3.2). The first one alone has the transport header: the
 * others are known by what all of them share.
 *
 * ```
 *   first     | source destination protocol identification | MF, offset 0 | ports ... payload |
 *   later     | the same                                   | MF, offset n | payload           |
 *   last      | the same                                   |     offset m | payload           |
 * ```
 *
 * Nothing is put together here, so what a receiver would make of overlapping fragments is its own
 * business, but for one thing: none may rewrite the transport header that the first was let pass by
 * (RFC 1858, RFC 3128). So the first has all of it, and a later one none of it.
 */
import { ICMP, TCP, UDP } from '@flowstore/flow';
import {
  ICMP_HEADER_BYTES,
  IPV4_FRAGMENT_MASK,
  IPV4_MORE_FRAGMENTS,
  IPV4_OFFSET_MASK,
  TCP_HEADER_BYTES,
  UDP_HEADER_BYTES,
} from './headers.ts';
import { Malformed, type Packet } from './parse.ts';

/** What offsets count, and every fragment but the last is a multiple of. */
export const FRAGMENT_UNIT_BYTES = 8;
const DATAGRAM_END = 65_535;

export function isFragment({ fragment }: Packet): boolean {
  return (fragment & IPV4_FRAGMENT_MASK) !== 0;
}

/** Not the first one. */
export function isLaterFragment({ fragment }: Packet): boolean {
  return (fragment & IPV4_OFFSET_MASK) !== 0;
}

/** Also true of a whole packet. */
export function isLastFragment({ fragment }: Packet): boolean {
  return (fragment & IPV4_MORE_FRAGMENTS) === 0;
}

/** In bytes of what follows the datagram's IP header. */
export function fragmentOffset({ fragment }: Packet): number {
  return (fragment & IPV4_OFFSET_MASK) * FRAGMENT_UNIT_BYTES;
}

/** What is wrong with a fragment, before its transport header is looked at. */
export function fragmentProblem(packet: Packet): Malformed {
  const { protocol, ipOffset, transportOffset, transportLength } = packet;
  const offset = fragmentOffset(packet);
  const isWholeUnits = transportLength % FRAGMENT_UNIT_BYTES === 0;
  if (transportLength === 0 || (!isLastFragment(packet) && !isWholeUnits)) {
    return Malformed.Fragment;
  }
  if (transportOffset - ipOffset + offset + transportLength > DATAGRAM_END) {
    return Malformed.Fragment;
  }
  if (!isLaterFragment(packet)) return Malformed.None;
  const headerBytes = HEADER_BYTES[protocol];
  if (headerBytes === undefined) return Malformed.Protocol;
  return offset < headerBytes ? Malformed.TinyFragment : Malformed.None;
}

const HEADER_BYTES: Readonly<Record<number, number>> = {
  [TCP]: TCP_HEADER_BYTES,
  [UDP]: UDP_HEADER_BYTES,
  [ICMP]: ICMP_HEADER_BYTES,
};
