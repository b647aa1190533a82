/** What the store is asked about a packet that waits, and what the packet may begin. */
import {
  type Endpoint,
  type FlowWidths,
  ICMP,
  ipv4FromNumber,
  type SocketAddress,
  TCP,
  Width,
} from '@flowstore/flow';
import type { FindRequest } from '@flowstore/flow-store';
import { ICMP_ECHO_REQUEST, isFirstSegment, type Packet } from '@flowstore/nat';
import { Side } from './frame.ts';

export function opensFromInside(packet: Packet): boolean {
  if (packet.embeddedOffset !== 0) return false;
  if (packet.protocol === TCP) return isFirstSegment(packet);
  return packet.protocol !== ICMP || packet.icmpType === ICMP_ECHO_REQUEST;
}

/** Nothing that is part of something known elsewhere: no error about a flow, no later segment. */
export function asksToComeIn(packet: Packet): boolean {
  if (packet.embeddedOffset !== 0) return false;
  return packet.protocol !== TCP || isFirstSegment(packet);
}

export function insideOf(packet: Packet): Endpoint {
  const { domain, protocol, source, sourcePort } = packet;
  return { domain, protocol, address: ipv4FromNumber(source), port: sourcePort };
}

export function peerOf(packet: Packet, side: Side): SocketAddress {
  return side === Side.Inside
    ? { address: ipv4FromNumber(packet.destination), port: packet.destinationPort }
    : { address: ipv4FromNumber(packet.source), port: packet.sourcePort };
}

export function findRequest(packet: Packet, side: Side, widths: FlowWidths): FindRequest {
  const { protocol } = packet;
  const remote = widths.remote(protocol, peerOf(packet, side));
  if (side === Side.Inside) return { direction: 'inside', inside: insideOf(packet), remote };
  const address = ipv4FromNumber(packet.destination);
  const outside = { address, port: packet.destinationPort };
  return { direction: 'outside', protocol, outside, remote };
}

/** Inside addresses as they are, outside ones above them. */
export function takerOf({ source }: Packet, side: Side): number {
  return side === Side.Inside ? source : 2 ** 32 + source;
}

/** One text per question: the side, and what the store would be asked by. */
export function keyOf(packet: Packet, side: Side, widths: FlowWidths): string {
  const { domain, protocol, source, sourcePort, destination, destinationPort } = packet;
  const isOut = side === Side.Inside;
  const ours = isOut ? `${domain}/${source}:${sourcePort}` : `${destination}:${destinationPort}`;
  const width = widths.of(protocol);
  if (width === Width.Binding) return `${side}/${protocol}/${ours}`;
  const peer = isOut ? destination : source;
  const port = width === Width.Endpoint ? (isOut ? destinationPort : sourcePort) : 0;
  return `${side}/${protocol}/${ours}/${peer}:${port}`;
}
