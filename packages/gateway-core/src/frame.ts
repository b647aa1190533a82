import { TCP } from '@flowstore/flow';
import { type Packet, TCP_DATA_OFFSET, UDP_HEADER_BYTES } from '@flowstore/nat';

/**
 * A frame in memory: `virtio-net header (10) | Ethernet (14) | IP packet`, the IP header 4-aligned.
 * The same layout as @flowstore/packet-io's; gateway-core rewrites the IP packet and leaves the
 * Ethernet header to whoever knows the next hop.
 */
export interface FrameMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Native address, 0 for plain JavaScript memory. */
  readonly address: number;
  /** The inside network that its frames come from, or that a frame of its own goes to. */
  domain?: number;
}

export const IP_OFFSET = 24;
const NEEDS_CHECKSUM = 1;
/** In the virtio-net header: gso_type (1 byte) and gso_size (2, little-endian). */
const SEGMENT_KIND = 1;
const SEGMENT_BYTES = 4;

/** The two realms, and the links to them. */
export const Side = { Inside: 0, Outside: 1 } as const;
export type Side = (typeof Side)[keyof typeof Side];

export const Verdict = {
  /** Nothing is left to do: the packet was dropped (and counted) or copied to wait. */
  Done: 0,
  /** Rewritten in place: send it on the other side. */
  Forward: 1,
  /** Rewritten in place: send it back on the side it came from. Its destination is inside, too. */
  Hairpin: 2,
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

export function hasPartialChecksum(memory: FrameMemory, offset: number): boolean {
  return (memory.bytes[offset]! & NEEDS_CHECKSUM) !== 0;
}

/** Whether the sender left it to a device to cut the packet into segments. */
export function hasSegments(memory: FrameMemory, offset: number): boolean {
  return memory.bytes[offset + SEGMENT_KIND] !== 0;
}

/** Whether the packet is one of segments that are small enough each. */
export function segmentsFit(
  memory: FrameMemory,
  offset: number,
  packet: Packet,
  mtuBytes: number,
): boolean {
  if (!hasSegments(memory, offset)) return false;
  const { protocol, ipOffset, transportOffset } = packet;
  const header =
    protocol === TCP
      ? (memory.view.getUint8(transportOffset + TCP_DATA_OFFSET) >>> 4) * 4
      : UDP_HEADER_BYTES;
  const segment = memory.view.getUint16(offset + SEGMENT_BYTES, true);
  return transportOffset - ipOffset + header + segment <= mtuBytes;
}

/** How many packets a device makes of it; never fewer than it does. */
export function segmentsOf(memory: FrameMemory, offset: number, packet: Packet): number {
  if (!hasSegments(memory, offset)) return 1;
  const segment = memory.view.getUint16(offset + SEGMENT_BYTES, true);
  return Math.ceil(packet.transportLength / Math.max(1, segment));
}

/** A frame of its own, all of it zero. */
export function newFrame(length: number, domain = 0): FrameMemory {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer), address: 0, domain };
}

/** The inside network of what comes in on a side; what comes from outside has none. */
export function domainOf(side: Side, { domain = 0 }: FrameMemory): number {
  return side === Side.Inside ? domain : 0;
}

export function copyFrame(memory: FrameMemory, offset: number, length: number): FrameMemory {
  const copy = newFrame(length, memory.domain);
  copy.bytes.set(memory.bytes.subarray(offset, offset + length));
  return copy;
}
