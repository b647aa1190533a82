/**
 * ICMP errors of the gateway's own, about a packet that it does not forward (RFC 792, RFC 1812
 * section 4.3.2): as much of that packet comes along as fits into 576 bytes.
 */
import { ICMP } from '@flowstore/flow';
import { sumBytes } from './checksum.ts';
import {
  ICMP_CHECKSUM,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_HEADER_BYTES,
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_HEADER_BYTES,
  IPV4_OFFSET_MASK,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  IPV4_TTL,
} from './headers.ts';

export interface OwnError {
  /** The gateway's address on the link that it leaves by. */
  readonly source: number;
  readonly type: number;
  readonly code: number;
  /** The second word of the ICMP header: the next hop's MTU, for one. */
  readonly word: number;
}

/** RFC 1812 section 4.3.2.3. */
const ERROR_BYTES_MAX = 576;
/** Internetwork control (RFC 1812 section 4.3.2.5). */
const CONTROL_PRECEDENCE = 0xc0;
const HEADERS_BYTES = IPV4_HEADER_BYTES + ICMP_HEADER_BYTES;

/**
 * Whether an error may be sent about the packet: not about another error, and not about later
 * fragments (RFC 1812 section 4.3.2.7). Its header and both addresses are known to be right.
 */
export function mayBeToldOf(view: DataView, ipOffset: number, totalLength: number): boolean {
  if ((view.getUint16(ipOffset + IPV4_FRAGMENT) & IPV4_OFFSET_MASK) !== 0) return false;
  if (view.getUint8(ipOffset + IPV4_PROTOCOL) !== ICMP) return true;
  const headerLength = (view.getUint8(ipOffset) & 15) * 4;
  if (totalLength < headerLength + ICMP_HEADER_BYTES) return false;
  const type = view.getUint8(ipOffset + headerLength);
  return type === ICMP_ECHO_REQUEST || type === ICMP_ECHO_REPLY;
}

/** How long the error about a packet of `totalLength` bytes is. */
export function ownErrorBytes(totalLength: number): number {
  return Math.min(ERROR_BYTES_MAX, HEADERS_BYTES + totalLength);
}

/** Writes the error about the packet at `ipOffset` to `out` of `to`; ownErrorBytes long. */
export function writeOwnError(
  view: DataView,
  ipOffset: number,
  { source, type, code, word }: OwnError,
  to: DataView,
  out: number,
): void {
  const length = ownErrorBytes(view.getUint16(ipOffset + IPV4_TOTAL_LENGTH));
  to.setUint16(out, 0x4500 | CONTROL_PRECEDENCE);
  to.setUint16(out + IPV4_TOTAL_LENGTH, length);
  to.setUint8(out + IPV4_TTL, 64);
  to.setUint8(out + IPV4_PROTOCOL, ICMP);
  to.setUint32(out + IPV4_SOURCE, source);
  to.setUint32(out + IPV4_DESTINATION, view.getUint32(ipOffset + IPV4_SOURCE));
  to.setUint16(out + IPV4_CHECKSUM, ~sumBytes(to, out, IPV4_HEADER_BYTES));
  const icmp = out + IPV4_HEADER_BYTES;
  to.setUint8(icmp, type);
  to.setUint8(icmp + 1, code);
  to.setUint32(icmp + 4, word);
  for (let i = 0; i < length - HEADERS_BYTES; i++) {
    to.setUint8(icmp + ICMP_HEADER_BYTES + i, view.getUint8(ipOffset + i));
  }
  to.setUint16(icmp + ICMP_CHECKSUM, ~sumBytes(to, icmp, length - IPV4_HEADER_BYTES));
}
