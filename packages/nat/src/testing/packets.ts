/** Builds and reads whole IPv4 packets, the slow and obvious way, for the tests. */
import { ICMP, ipv4ToNumber, parseAddress, TCP, UDP } from '@flowstore/flow';
import { pseudoHeaderSum, sumBytes } from '../checksum.ts';

export interface PacketSpec {
  readonly protocol: number;
  readonly from: string;
  readonly to: string;
  /** For ICMP the identifier. */
  readonly fromPort: number;
  readonly toPort: number;
  readonly tcpFlags?: number;
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly icmpType?: number;
  readonly ttl?: number;
  /** Flags and fragment offset: DF alone, where nothing is said. */
  readonly fragment?: number;
  readonly identification?: number;
  readonly payload?: Uint8Array;
  /** Leave the transport checksum partial, as an offloading sender does. */
  readonly partialChecksum?: boolean;
  /** UDP only: send no checksum. */
  readonly noChecksum?: boolean;
}

const TRANSPORT_BYTES: Record<number, number> = { [TCP]: 20, [UDP]: 8, [ICMP]: 8 };
const CHECKSUM_OFFSET: Record<number, number> = { [TCP]: 16, [UDP]: 6, [ICMP]: 2 };

export function buildPacket(spec: PacketSpec): Uint8Array {
  const payload = spec.payload ?? new Uint8Array(0);
  const transportBytes = TRANSPORT_BYTES[spec.protocol]! + payload.length;
  const bytes = new Uint8Array(20 + transportBytes);
  const view = new DataView(bytes.buffer);
  const source = ipv4ToNumber(parseAddress(spec.from));
  const destination = ipv4ToNumber(parseAddress(spec.to));
  view.setUint8(0, 0x45);
  view.setUint16(2, bytes.length);
  view.setUint16(4, spec.identification ?? 0);
  view.setUint16(6, spec.fragment ?? 0x4000);
  view.setUint8(8, spec.ttl ?? 64);
  view.setUint8(9, spec.protocol);
  view.setUint32(12, source);
  view.setUint32(16, destination);
  view.setUint16(10, ~sumBytes(view, 0, 20));
  writeTransport(view, spec, transportBytes);
  bytes.set(payload, bytes.length - payload.length);
  if (spec.noChecksum) return bytes;
  const pseudo =
    spec.protocol === ICMP
      ? 0
      : pseudoHeaderSum(source, destination, spec.protocol, transportBytes);
  const sum = spec.partialChecksum ? pseudo : ~sumBytes(view, 20, transportBytes, pseudo) & 0xffff;
  const zeroIsNone = spec.protocol === UDP && sum === 0 && !spec.partialChecksum;
  view.setUint16(20 + CHECKSUM_OFFSET[spec.protocol]!, zeroIsNone ? 0xffff : sum);
  return bytes;
}

function writeTransport(view: DataView, spec: PacketSpec, transportBytes: number): void {
  if (spec.protocol === ICMP) {
    view.setUint8(20, spec.icmpType ?? 8);
    view.setUint16(24, spec.fromPort);
    view.setUint16(26, spec.sequence ?? 1);
    return;
  }
  view.setUint16(20, spec.fromPort);
  view.setUint16(22, spec.toPort);
  if (spec.protocol === UDP) {
    view.setUint16(24, transportBytes);
    return;
  }
  view.setUint32(24, spec.sequence ?? 1);
  view.setUint32(28, spec.acknowledgement ?? 0);
  view.setUint8(32, 5 << 4);
  view.setUint8(33, spec.tcpFlags ?? 0x10);
}

export interface ErrorSpec {
  readonly from: string;
  readonly to: string;
  readonly type: number;
  readonly code?: number;
  /** The second word of the ICMP header: the next hop's MTU, for one. */
  readonly word: number;
  readonly ttl?: number;
  /** The packet that it is about. */
  readonly about: Uint8Array;
  /** How many bytes behind the packet's first 28 come along. */
  readonly keep: number;
}

export function buildError(spec: ErrorSpec): Uint8Array {
  const about = spec.about.slice(0, 28 + spec.keep);
  const { from, to, type, word, ttl } = spec;
  const icmp = { protocol: ICMP, fromPort: 0, toPort: 0, icmpType: type, payload: about };
  const bytes = buildPacket({ from, to, ...icmp, ...(ttl !== undefined && { ttl }) });
  const view = new DataView(bytes.buffer);
  view.setUint8(21, spec.code ?? 0);
  view.setUint32(24, word);
  view.setUint16(22, 0);
  view.setUint16(22, ~sumBytes(view, 20, bytes.length - 20));
  return bytes;
}

/** The fragments of a whole packet without options, cut at these bytes behind its IP header. */
export function fragmentsOf(packet: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...cuts, packet.length - 20];
  return ends.map((end, i) => {
    const begin = i === 0 ? 0 : ends[i - 1]!;
    return fragmentOf(packet, begin, end);
  });
}

/** One fragment of it: these bytes behind its IP header. */
export function fragmentOf(packet: Uint8Array, begin: number, end: number): Uint8Array {
  const bytes = Uint8Array.from([...packet.slice(0, 20), ...packet.slice(20 + begin, 20 + end)]);
  const view = new DataView(bytes.buffer);
  view.setUint16(2, bytes.length);
  view.setUint16(6, begin / 8 + (20 + end < packet.length ? 0x2000 : 0));
  return sealed(bytes);
}

/** Gives a packet without options, whose header was changed, its right header checksum. */
export function sealed(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint16(10, 0);
  view.setUint16(10, ~sumBytes(view, 0, 20));
  return bytes;
}

/** Puts fragments together as a receiver would that takes no overlap; null where some are missing
 * or they are not of one datagram. As the packet was, with a fragment word of 0. */
export function reassembled(fragments: readonly Uint8Array[]): Uint8Array | null {
  const word = (bytes: Uint8Array, at: number) => (bytes[at]! << 8) | bytes[at + 1]!;
  const offset = (bytes: Uint8Array) => (word(bytes, 6) & 0x1fff) * 8;
  const nameOf = (bytes: Uint8Array) => [...bytes.slice(4, 6), ...bytes.slice(9, 20)].join();
  const parts = [...fragments].sort((a, b) => offset(a) - offset(b));
  const body: number[] = [];
  const withoutSum = (bytes: Uint8Array) => nameOf(Uint8Array.from(bytes).fill(0, 10, 12));
  for (const part of parts) {
    const header = new DataView(part.buffer, part.byteOffset);
    const isRight = sumBytes(header, 0, 20) === 0xffff && word(part, 2) === part.length;
    if (!isRight || withoutSum(part) !== withoutSum(parts[0]!)) return null;
    if (offset(part) !== body.length) return null;
    body.push(...part.slice(20));
  }
  if (parts.length === 0 || (word(parts.at(-1)!, 6) & 0x2000) !== 0) return null;
  const whole = Uint8Array.from([...parts[0]!.slice(0, 20), ...body]);
  const view = new DataView(whole.buffer);
  view.setUint16(2, whole.length);
  view.setUint16(6, 0);
  return sealed(whole);
}

/** Whether both checksums of a whole packet are right, summed anew over all of its bytes. */
export function checksumsAreRight(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (sumBytes(view, 0, 20) !== 0xffff) return false;
  const protocol = view.getUint8(9);
  const length = view.getUint16(2) - 20;
  if (protocol === UDP && view.getUint16(26) === 0) return true;
  const pseudo =
    protocol === ICMP
      ? 0
      : pseudoHeaderSum(view.getUint32(12), view.getUint32(16), protocol, length);
  return sumBytes(view, 20, length, pseudo) === 0xffff;
}

/** Completes a partial checksum the way a device does. */
export function completeChecksum(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = 20 + CHECKSUM_OFFSET[view.getUint8(9)]!;
  view.setUint16(offset, ~sumBytes(view, 20, bytes.length - 20));
}
