/**
 * Rewrites one side of a parsed packet in place: address, port (or ICMP identifier), checksums,
 * and one hop of TTL. Allocates nothing.
 */
import { ICMP, UDP } from '@flowstore/flow';
import { delta16, delta32, sumBytes, updateChecksum, updatePartialChecksum } from './checksum.ts';
import {
  ICMP_CHECKSUM,
  ICMP_IDENTIFIER,
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_IDENTIFICATION,
  IPV4_SOURCE,
  IPV4_TTL,
  TCP_CHECKSUM,
  UDP_CHECKSUM,
} from './headers.ts';
import type { Packet } from './parse.ts';

/** Outbound: the inside endpoint becomes the outside endpoint. */
export function translateSource(
  view: DataView,
  packet: Packet,
  address: number,
  port: number,
  partialChecksum: boolean,
): void {
  const addressDelta = delta32(packet.source, address);
  view.setUint32(packet.ipOffset + IPV4_SOURCE, address);
  rewrite(view, packet, addressDelta, packet.sourcePort, port, 0, partialChecksum);
}

/** Inbound: the outside endpoint becomes the inside endpoint. */
export function translateDestination(
  view: DataView,
  packet: Packet,
  address: number,
  port: number,
  partialChecksum: boolean,
): void {
  const addressDelta = delta32(packet.destination, address);
  view.setUint32(packet.ipOffset + IPV4_DESTINATION, address);
  rewrite(view, packet, addressDelta, packet.destinationPort, port, 2, partialChecksum);
}

/** The same of a later fragment, which has no ports and no checksum of its transport, and of
 * whatever else has an address alone. */
export function translateSourceAddress(view: DataView, packet: Packet, address: number): void {
  view.setUint32(packet.ipOffset + IPV4_SOURCE, address);
  rewriteHeader(view, packet, delta32(packet.source, address));
}

export function translateDestinationAddress(view: DataView, packet: Packet, address: number): void {
  view.setUint32(packet.ipOffset + IPV4_DESTINATION, address);
  rewriteHeader(view, packet, delta32(packet.destination, address));
}

/** One hop of TTL, and nothing else. */
export function passHop(view: DataView, packet: Packet): void {
  rewriteHeader(view, packet, 0);
}

export function setIdentification(view: DataView, { ipOffset }: Packet, next: number): void {
  const old = view.getUint16(ipOffset + IPV4_IDENTIFICATION);
  if (old === next) return;
  view.setUint16(ipOffset + IPV4_IDENTIFICATION, next);
  updateChecksum(view, ipOffset + IPV4_CHECKSUM, delta16(old, next));
}

/** Takes back the hop that a translation took: the packet is translated twice in one box. */
export function giveHopBack(view: DataView, ipOffset: number): void {
  view.setUint8(ipOffset + IPV4_TTL, view.getUint8(ipOffset + IPV4_TTL) + 1);
  updateChecksum(view, ipOffset + IPV4_CHECKSUM, 0x0100);
}

function rewriteHeader(view: DataView, { ipOffset }: Packet, addressDelta: number): void {
  // The TTL is the high byte of its word: one less subtracts 0x0100, in ones' complement +0xfeff.
  view.setUint8(ipOffset + IPV4_TTL, view.getUint8(ipOffset + IPV4_TTL) - 1);
  updateChecksum(view, ipOffset + IPV4_CHECKSUM, addressDelta + 0xfeff);
}

function rewrite(
  view: DataView,
  packet: Packet,
  addressDelta: number,
  oldPort: number,
  port: number,
  portOffset: number,
  partialChecksum: boolean,
): void {
  const { transportOffset, transportLength, protocol } = packet;
  rewriteHeader(view, packet, addressDelta);
  const portDelta = delta16(oldPort, port);
  if (protocol === ICMP) {
    view.setUint16(transportOffset + ICMP_IDENTIFIER, port);
    // No pseudo-header: the addresses are not in the sum (RFC 792).
    const checksum = transportOffset + ICMP_CHECKSUM;
    updateChecksum(view, checksum, portDelta);
    // A sum of nothing but zeros is the other zero (RFC 1624): that of an empty echo reply.
    if (view.getUint16(checksum) === 0 && sumBytes(view, transportOffset, transportLength) === 0) {
      view.setUint16(checksum, 0xffff);
    }
    return;
  }
  view.setUint16(transportOffset + portOffset, port);
  const checksum = transportOffset + (protocol === UDP ? UDP_CHECKSUM : TCP_CHECKSUM);
  if (partialChecksum) {
    updatePartialChecksum(view, checksum, addressDelta);
    return;
  }
  if (protocol === UDP) {
    // 0 says that the sender made no checksum, so a computed 0 is sent as 0xffff (RFC 768).
    if (view.getUint16(checksum) === 0) return;
    updateChecksum(view, checksum, addressDelta + portDelta);
    if (view.getUint16(checksum) === 0) view.setUint16(checksum, 0xffff);
    return;
  }
  updateChecksum(view, checksum, addressDelta + portDelta);
}
