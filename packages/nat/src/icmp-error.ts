/**
 * ICMP errors: messages about a packet that went the other way, whose beginning they carry along
 * (RFC 792, RFC 5508 section 4). They are translated by that packet's flow.
 *
 * ```
 *    outer IP header | type code sum | IP header | ports ... |
 *    to whoever sent the packet     |<-- the packet, embedded -->|
 * ```
 */
import { ICMP, TCP, UDP } from '@flowstore/flow';
import { delta16, delta32, sumBytes, updateChecksum } from './checksum.ts';
import {
  ICMP_CHECKSUM,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_HEADER_BYTES,
  ICMP_IDENTIFIER,
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_HEADER_BYTES,
  IPV4_OFFSET_MASK,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TTL,
  TCP_CHECKSUM,
  UDP_CHECKSUM,
} from './headers.ts';
import { isUnicast, Malformed, type Packet } from './parse.ts';

/** RFC 792: what every error carries of the packet's transport header, at least. */
const EMBEDDED_TRANSPORT_BYTES = 8;

/**
 * Reads the embedded packet, backwards: `packet` then looks like one of that flow that goes the way
 * the error goes, so that it finds the same flow. The embedded transport checksum is not looked at
 * (RFC 5508 REQ-3c).
 */
export function parseIcmpError(view: DataView, packet: Packet): Malformed {
  const { transportOffset, transportLength } = packet;
  if (sumBytes(view, transportOffset, transportLength) !== 0xffff) return Malformed.IcmpChecksum;
  const embedded = transportOffset + ICMP_HEADER_BYTES;
  const available = transportLength - ICMP_HEADER_BYTES;
  if (available < IPV4_HEADER_BYTES) return Malformed.IcmpEmbedded;
  const versionAndLength = view.getUint8(embedded);
  const headerLength = (versionAndLength & 15) * 4;
  if (versionAndLength >>> 4 !== 4 || headerLength < IPV4_HEADER_BYTES) {
    return Malformed.IcmpEmbedded;
  }
  if (available < headerLength + EMBEDDED_TRANSPORT_BYTES) return Malformed.IcmpEmbedded;
  if (sumBytes(view, embedded, headerLength) !== 0xffff) return Malformed.IcmpEmbedded;
  // Only the first fragment has ports.
  if ((view.getUint16(embedded + IPV4_FRAGMENT) & IPV4_OFFSET_MASK) !== 0) {
    return Malformed.IcmpEmbedded;
  }
  const source = view.getUint32(embedded + IPV4_SOURCE);
  const destination = view.getUint32(embedded + IPV4_DESTINATION);
  // It goes to whoever sent the packet, or it is made up (RFC 5508 REQ-4, REQ-5).
  if (source !== packet.destination || !isUnicast(destination)) return Malformed.IcmpEmbedded;
  packet.embeddedOffset = embedded;
  packet.protocol = view.getUint8(embedded + IPV4_PROTOCOL);
  packet.source = destination;
  return readEmbeddedPorts(view, packet, embedded + headerLength);
}

function readEmbeddedPorts(view: DataView, packet: Packet, transport: number): Malformed {
  if (packet.protocol === ICMP) {
    const type = view.getUint8(transport);
    // No error is sent about an error (RFC 1122 section 3.2.2).
    if (type !== ICMP_ECHO_REQUEST && type !== ICMP_ECHO_REPLY) return Malformed.IcmpEmbedded;
    packet.sourcePort = packet.destinationPort = view.getUint16(transport + ICMP_IDENTIFIER);
    return Malformed.None;
  }
  if (packet.protocol !== TCP && packet.protocol !== UDP) return Malformed.IcmpEmbedded;
  packet.sourcePort = view.getUint16(transport + 2);
  packet.destinationPort = view.getUint16(transport);
  return Malformed.None;
}

/**
 * Outbound: the embedded packet was sent to the inside endpoint, and becomes one to the outside
 * endpoint. Whichever inside host or router speaks does so by the outside address (RFC 5508 REQ-5).
 */
export function translateErrorSource(
  view: DataView,
  packet: Packet,
  address: number,
  port: number,
): void {
  rewriteOuter(view, packet, IPV4_SOURCE, address);
  rewriteEmbedded(view, packet, IPV4_DESTINATION, address, packet.sourcePort, port, 2);
}

/** Inbound: the embedded packet was sent by the outside endpoint, and becomes the inside one's. */
export function translateErrorDestination(
  view: DataView,
  packet: Packet,
  address: number,
  port: number,
): void {
  rewriteOuter(view, packet, IPV4_DESTINATION, address);
  rewriteEmbedded(view, packet, IPV4_SOURCE, address, packet.destinationPort, port, 0);
}

function rewriteOuter(view: DataView, { ipOffset }: Packet, field: number, address: number): void {
  const old = view.getUint32(ipOffset + field);
  view.setUint32(ipOffset + field, address);
  view.setUint8(ipOffset + IPV4_TTL, view.getUint8(ipOffset + IPV4_TTL) - 1);
  updateChecksum(view, ipOffset + IPV4_CHECKSUM, delta32(old, address) + 0xfeff);
}

/** Every rewritten word counts in the error's checksum, so what follows the embedded packet (RFC
 * 4884 extensions, padding) needs no reading. */
function rewriteEmbedded(
  view: DataView,
  packet: Packet,
  field: number,
  address: number,
  oldPort: number,
  port: number,
  portOffset: number,
): void {
  const { protocol, embeddedOffset, transportOffset } = packet;
  const addressDelta = delta32(view.getUint32(embeddedOffset + field), address);
  const portDelta = delta16(oldPort, port);
  let errorDelta = addressDelta + portDelta;
  view.setUint32(embeddedOffset + field, address);
  errorDelta += updateEmbedded(view, embeddedOffset + IPV4_CHECKSUM, addressDelta);
  const transport = embeddedOffset + (view.getUint8(embeddedOffset) & 15) * 4;
  view.setUint16(transport + (protocol === ICMP ? ICMP_IDENTIFIER : portOffset), port);
  const end = transportOffset + packet.transportLength;
  if (protocol === ICMP) errorDelta += updateEmbedded(view, transport + ICMP_CHECKSUM, portDelta);
  else if (protocol === UDP) {
    // 0 says that there is none (RFC 768).
    const checksum = transport + UDP_CHECKSUM;
    if (view.getUint16(checksum) !== 0) {
      errorDelta += updateEmbedded(view, checksum, addressDelta + portDelta, 0xffff);
    }
  } else if (transport + TCP_CHECKSUM + 2 <= end) {
    errorDelta += updateEmbedded(view, transport + TCP_CHECKSUM, addressDelta + portDelta);
  }
  updateChecksum(view, transportOffset + ICMP_CHECKSUM, errorDelta);
}

/** Updates a checksum that is itself covered by another; returns the delta for that one. */
function updateEmbedded(view: DataView, offset: number, delta: number, forZero = 0): number {
  const old = view.getUint16(offset);
  updateChecksum(view, offset, delta);
  if (view.getUint16(offset) === 0) view.setUint16(offset, forZero);
  return delta16(old, view.getUint16(offset));
}
