/** IPv4 packets as frames: written whole with both checksums, and checked whole when they come. */
import { ICMP, TCP, UDP } from '@flowstore/flow';
import { type FrameMemory, IP_OFFSET, newFrame } from '@flowstore/gateway-core';
import {
  ICMP_CHECKSUM,
  ICMP_HEADER_BYTES,
  ICMP_IDENTIFIER,
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_HEADER_BYTES,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  IPV4_TTL,
  type Packet,
  pseudoHeaderSum,
  sumBytes,
  TCP_ACKNOWLEDGEMENT,
  TCP_CHECKSUM,
  TCP_DATA_OFFSET,
  TCP_FLAGS,
  TCP_HEADER_BYTES,
  TCP_SEQUENCE,
  UDP_CHECKSUM,
  UDP_HEADER_BYTES,
  UDP_LENGTH,
} from '@flowstore/nat';

/** Who talks to whom, one direction; addresses are unsigned numbers. */
export interface Tuple {
  readonly protocol: number;
  readonly source: number;
  /** For ICMP echo both ports are the identifier. */
  readonly sourcePort: number;
  readonly destination: number;
  readonly destinationPort: number;
}

export interface Segment {
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

const TRANSPORT = IP_OFFSET + IPV4_HEADER_BYTES;
/** No connection here asks for less, and what is queued for one is consumed at once. */
const TCP_WINDOW_BYTES = 0xffff;
const TCP_WINDOW = 14;
const ICMP_SEQUENCE = 6;

export function reverse(tuple: Tuple): Tuple {
  return {
    protocol: tuple.protocol,
    source: tuple.destination,
    sourcePort: tuple.destinationPort,
    destination: tuple.source,
    destinationPort: tuple.sourcePort,
  };
}

export function tupleText({ protocol, source, sourcePort, ...to }: Tuple): string {
  return `${protocol} ${source}:${sourcePort} ${to.destination}:${to.destinationPort}`;
}

/** A copy of the packet's 5-tuple; the packet itself is used again for the next one. */
export function tupleOf({ protocol, source, sourcePort, ...to }: Packet): Tuple {
  const { destination, destinationPort } = to;
  return { protocol, source, sourcePort, destination, destinationPort };
}

export function tcpFrame(tuple: Tuple, segment: Segment): FrameMemory {
  const frame = ipFrame(tuple, TCP_HEADER_BYTES, segment.payload);
  const { view } = frame;
  view.setUint16(TRANSPORT, tuple.sourcePort);
  view.setUint16(TRANSPORT + 2, tuple.destinationPort);
  view.setUint32(TRANSPORT + TCP_SEQUENCE, segment.sequence);
  view.setUint32(TRANSPORT + TCP_ACKNOWLEDGEMENT, segment.acknowledgement);
  view.setUint8(TRANSPORT + TCP_DATA_OFFSET, (TCP_HEADER_BYTES / 4) << 4);
  view.setUint8(TRANSPORT + TCP_FLAGS, segment.flags);
  view.setUint16(TRANSPORT + TCP_WINDOW, TCP_WINDOW_BYTES);
  return seal(frame, tuple, TCP_CHECKSUM);
}

export function udpFrame(tuple: Tuple, payload: Uint8Array): FrameMemory {
  const frame = ipFrame(tuple, UDP_HEADER_BYTES, payload);
  const { view } = frame;
  view.setUint16(TRANSPORT, tuple.sourcePort);
  view.setUint16(TRANSPORT + 2, tuple.destinationPort);
  view.setUint16(TRANSPORT + UDP_LENGTH, UDP_HEADER_BYTES + payload.length);
  return seal(frame, tuple, UDP_CHECKSUM);
}

/** An ICMP echo request or reply; the tuple's source port is the identifier. */
export function echoFrame(
  tuple: Tuple,
  type: number,
  sequence: number,
  payload: Uint8Array,
): FrameMemory {
  const frame = ipFrame(tuple, ICMP_HEADER_BYTES, payload);
  const { view } = frame;
  view.setUint8(TRANSPORT, type);
  view.setUint16(TRANSPORT + ICMP_IDENTIFIER, tuple.sourcePort);
  view.setUint16(TRANSPORT + ICMP_SEQUENCE, sequence);
  return seal(frame, tuple, ICMP_CHECKSUM);
}

export function echoSequence(view: DataView, packet: Packet): number {
  return view.getUint16(packet.transportOffset + ICMP_SEQUENCE);
}

/** Both checksums, summed anew over the whole packet. UDP's may be absent. */
export function checksumsAreRight(view: DataView, packet: Packet): boolean {
  const { ipOffset, transportOffset, transportLength, protocol } = packet;
  if (sumBytes(view, ipOffset, transportOffset - ipOffset) !== 0xffff) return false;
  if (protocol === UDP && view.getUint16(transportOffset + UDP_CHECKSUM) === 0) return true;
  const pseudo = pseudoSum(packet, transportLength);
  return sumBytes(view, transportOffset, transportLength, pseudo) === 0xffff;
}

export function payloadOf(memory: FrameMemory, packet: Packet): Uint8Array {
  const { transportOffset, transportLength, protocol } = packet;
  let headerBytes = UDP_HEADER_BYTES;
  if (protocol === ICMP) headerBytes = ICMP_HEADER_BYTES;
  if (protocol === TCP) {
    headerBytes = (memory.view.getUint8(transportOffset + TCP_DATA_OFFSET) >>> 4) * 4;
  }
  return memory.bytes.slice(transportOffset + headerBytes, transportOffset + transportLength);
}

export function segmentOf(memory: FrameMemory, packet: Packet): Segment {
  const { transportOffset } = packet;
  return {
    sequence: memory.view.getUint32(transportOffset + TCP_SEQUENCE),
    acknowledgement: memory.view.getUint32(transportOffset + TCP_ACKNOWLEDGEMENT),
    flags: packet.tcpFlags,
    payload: payloadOf(memory, packet),
  };
}

function ipFrame(tuple: Tuple, headerBytes: number, payload: Uint8Array): FrameMemory {
  const totalLength = IPV4_HEADER_BYTES + headerBytes + payload.length;
  const frame = newFrame(IP_OFFSET + totalLength);
  const { view } = frame;
  view.setUint8(IP_OFFSET, 0x45);
  view.setUint16(IP_OFFSET + IPV4_TOTAL_LENGTH, totalLength);
  view.setUint8(IP_OFFSET + IPV4_TTL, 64);
  view.setUint8(IP_OFFSET + IPV4_PROTOCOL, tuple.protocol);
  view.setUint32(IP_OFFSET + IPV4_SOURCE, tuple.source);
  view.setUint32(IP_OFFSET + IPV4_DESTINATION, tuple.destination);
  frame.bytes.set(payload, TRANSPORT + headerBytes);
  return frame;
}

/** Writes the checksums, once all else stands. */
function seal(frame: FrameMemory, tuple: Tuple, checksumOffset: number): FrameMemory {
  const { view, bytes } = frame;
  view.setUint16(IP_OFFSET + IPV4_CHECKSUM, ~sumBytes(view, IP_OFFSET, IPV4_HEADER_BYTES));
  const length = bytes.length - TRANSPORT;
  const sum = ~sumBytes(view, TRANSPORT, length, pseudoSum(tuple, length)) & 0xffff;
  // RFC 768: a computed zero is sent as all ones, for zero says that there is none.
  const isUdpZero = tuple.protocol === UDP && sum === 0;
  view.setUint16(TRANSPORT + checksumOffset, isUdpZero ? 0xffff : sum);
  return frame;
}

function pseudoSum({ protocol, source, destination }: Tuple | Packet, length: number): number {
  return protocol === ICMP ? 0 : pseudoHeaderSum(source, destination, protocol, length);
}
