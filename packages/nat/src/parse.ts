/**
 * Reads an IPv4 packet into one reused record, or says why it can't be translated. Nothing behind
 * `available` is ever read, whatever the packet claims about itself.
 */
import { ICMP, TCP, UDP } from '@flowstore/flow';
import { sumBytes } from './checksum.ts';
import { fragmentProblem, isFragment, isLaterFragment } from './fragment.ts';
import {
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_HEADER_BYTES,
  ICMP_IDENTIFIER,
  ICMP_PARAMETER_PROBLEM,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_HEADER_BYTES,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  IPV4_TTL,
  TCP_DATA_OFFSET,
  TCP_FLAGS,
  TCP_HEADER_BYTES,
  UDP_HEADER_BYTES,
  UDP_LENGTH,
} from './headers.ts';
import { parseIcmpError } from './icmp-error.ts';

/** Why a packet was not read; 0 is none of them. The names are those of the counters. */
export const Malformed = {
  None: 0,
  Truncated: 1,
  NotIpv4: 2,
  HeaderLength: 3,
  TotalLength: 4,
  HeaderChecksum: 5,
  Ttl: 6,
  /** One that no datagram can have. */
  Fragment: 7,
  Protocol: 8,
  TransportTruncated: 9,
  TransportLength: 10,
  IcmpType: 11,
  Address: 12,
  IcmpChecksum: 13,
  IcmpEmbedded: 14,
  /** A first fragment without its whole transport header, or a later one that is part of it. */
  TinyFragment: 15,
  /** TCP or UDP from or to port 0, which nobody can have. */
  Port: 16,
} as const;
export type Malformed = (typeof Malformed)[keyof typeof Malformed];

/** The fields of the packet read last; addresses and ports are unsigned numbers. */
export class Packet {
  ipOffset = 0;
  /** Flags and fragment offset, as in the header. */
  fragment = 0;
  totalLength = 0;
  /** The inside network that it came from: of whoever read it, not in the packet. */
  domain = 0;
  protocol = 0;
  source = 0;
  destination = 0;
  /**
   * For ICMP queries both ports are the identifier: it stands for the port. A later fragment has
   * no transport header: its ports, flags and type are 0.
   */
  sourcePort = 0;
  destinationPort = 0;
  transportOffset = 0;
  transportLength = 0;
  /** TCP's FIN, SYN, RST, ACK bits; 0 for other protocols. */
  tcpFlags = 0;
  /** ICMP's type; 0 for other protocols. */
  icmpType = 0;
  /**
   * Of an ICMP error: where the packet begins that it is about, else 0. Then protocol, addresses
   * and ports are those of a packet of that flow which goes the way the error goes.
   */
  embeddedOffset = 0;
}

export function parseIpv4(
  view: DataView,
  ipOffset: number,
  available: number,
  packet: Packet,
): Malformed {
  if (available < IPV4_HEADER_BYTES) return Malformed.Truncated;
  const versionAndLength = view.getUint8(ipOffset);
  if (versionAndLength >>> 4 !== 4) return Malformed.NotIpv4;
  const headerLength = (versionAndLength & 15) * 4;
  if (headerLength < IPV4_HEADER_BYTES || headerLength > available) return Malformed.HeaderLength;
  const totalLength = view.getUint16(ipOffset + IPV4_TOTAL_LENGTH);
  if (totalLength < headerLength || totalLength > available) return Malformed.TotalLength;
  if (sumBytes(view, ipOffset, headerLength) !== 0xffff) return Malformed.HeaderChecksum;
  packet.source = view.getUint32(ipOffset + IPV4_SOURCE);
  packet.destination = view.getUint32(ipOffset + IPV4_DESTINATION);
  if (!isUnicast(packet.source) || !isUnicast(packet.destination)) return Malformed.Address;
  if (view.getUint8(ipOffset + IPV4_TTL) <= 1) return Malformed.Ttl;
  packet.fragment = view.getUint16(ipOffset + IPV4_FRAGMENT);
  packet.ipOffset = ipOffset;
  packet.totalLength = totalLength;
  packet.protocol = view.getUint8(ipOffset + IPV4_PROTOCOL);
  packet.transportOffset = ipOffset + headerLength;
  packet.transportLength = totalLength - headerLength;
  packet.sourcePort = 0;
  packet.destinationPort = 0;
  packet.tcpFlags = 0;
  packet.icmpType = 0;
  packet.embeddedOffset = 0;
  return isFragment(packet) ? parseFragment(view, packet) : parseTransport(view, packet);
}

function parseFragment(view: DataView, packet: Packet): Malformed {
  const problem = fragmentProblem(packet);
  if (problem !== Malformed.None) return problem;
  if (isLaterFragment(packet)) {
    packet.sourcePort = packet.destinationPort = 0;
    return Malformed.None;
  }
  const malformed = parseTransport(view, packet);
  if (malformed === Malformed.TransportTruncated) return Malformed.TinyFragment;
  // The checksum of an error in fragments can't be verified, and no error is that long.
  return packet.embeddedOffset !== 0 ? Malformed.Fragment : malformed;
}

function parseTransport(view: DataView, packet: Packet): Malformed {
  switch (packet.protocol) {
    case TCP:
      return parseTcp(view, packet);
    case UDP:
      return parseUdp(view, packet);
    case ICMP:
      return parseIcmp(view, packet);
    default:
      return Malformed.Protocol;
  }
}

function parseTcp(view: DataView, packet: Packet): Malformed {
  const { transportOffset: offset, transportLength: length } = packet;
  if (length < TCP_HEADER_BYTES) return Malformed.TransportTruncated;
  const headerLength = (view.getUint8(offset + TCP_DATA_OFFSET) >>> 4) * 4;
  if (headerLength < TCP_HEADER_BYTES) return Malformed.TransportLength;
  if (headerLength > length) {
    return isFragment(packet) ? Malformed.TinyFragment : Malformed.TransportLength;
  }
  packet.tcpFlags = view.getUint8(offset + TCP_FLAGS);
  return readPorts(view, packet);
}

function parseUdp(view: DataView, packet: Packet): Malformed {
  const { transportOffset: offset, transportLength: length } = packet;
  if (length < UDP_HEADER_BYTES) return Malformed.TransportTruncated;
  const claimed = view.getUint16(offset + UDP_LENGTH);
  if (claimed < UDP_HEADER_BYTES || (claimed > length && !isFragment(packet))) {
    return Malformed.TransportLength;
  }
  return readPorts(view, packet);
}

function parseIcmp(view: DataView, packet: Packet): Malformed {
  const { transportOffset: offset } = packet;
  if (packet.transportLength < ICMP_HEADER_BYTES) return Malformed.TransportTruncated;
  const type = view.getUint8(offset);
  packet.icmpType = type;
  if (type === ICMP_UNREACHABLE || type === ICMP_TIME_EXCEEDED || type === ICMP_PARAMETER_PROBLEM) {
    return parseIcmpError(view, packet);
  }
  if (type !== ICMP_ECHO_REQUEST && type !== ICMP_ECHO_REPLY) return Malformed.IcmpType;
  packet.sourcePort = packet.destinationPort = view.getUint16(offset + ICMP_IDENTIFIER);
  return Malformed.None;
}

function readPorts(view: DataView, packet: Packet): Malformed {
  packet.sourcePort = view.getUint16(packet.transportOffset);
  packet.destinationPort = view.getUint16(packet.transportOffset + 2);
  const isNobodys = packet.sourcePort === 0 || packet.destinationPort === 0;
  return isNobodys ? Malformed.Port : Malformed.None;
}

/** Neither 0.0.0.0/8 nor 127.0.0.0/8, nor multicast or above: RFC 1812 sections 4.2.2.11, 5.3.7. */
export function isUnicast(address: number): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}
