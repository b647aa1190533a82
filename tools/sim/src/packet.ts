/**
 * Packets of the simulated hosts: real bytes, written and read with as little work as possible and
 * without any code of packages/nat. Every payload names its flow, so that whoever gets a packet
 * can tell whether it was meant for him:
 *
 * ```
 *  0       4         8        10       12        16          20       22     24         28      32
 *  +-------+---------+--------+--------+---------+-----------+--------+------+----------+---------+
 *  | talk  | inside  | inside | remote | remote  | outside   | outside| word | sequence | heard   |
 *  |       | address | port   | port   | address | address   | port   |      |          | ms      |
 *  +-------+---------+--------+--------+---------+-----------+--------+------+----------+---------+
 * ```
 *
 * `talk` is the conversation's number; `outside` and `heard` are what the remote host knows of the
 * inside one: where it heard it from, and when. A packet without a payload was made by a gateway.
 */
import type { FrameMemory } from '@flowstore/gateway-core';
import { IP_OFFSET } from '@flowstore/gateway-core';
import { formatEndpoint, protocolName } from './keys.ts';

export const TCP = 6;
export const UDP = 17;
export const ICMP = 1;

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const ACK = 0x10;

export const ECHO_REPLY = 0;
export const ECHO_REQUEST = 8;

const TAG_BYTES = 32;
const TRANSPORT_BYTES: Record<number, number> = { [TCP]: 20, [UDP]: 8, [ICMP]: 8 };

export interface Tag {
  readonly talk: number;
  readonly inside: number;
  readonly insidePort: number;
  readonly remote: number;
  readonly remotePort: number;
  readonly outside: number;
  readonly outsidePort: number;
  readonly word: number;
  readonly sequence: number;
  readonly heardMs: number;
}

/** Addresses are unsigned numbers; for ICMP both ports are the identifier. */
export interface Header {
  readonly protocol: number;
  readonly source: number;
  readonly sourcePort: number;
  readonly destination: number;
  readonly destinationPort: number;
  /** TCP's flags or ICMP's type. */
  readonly control: number;
}

export interface Reading {
  readonly header: Header;
  readonly tag: Tag | null;
  /** TCP's acknowledgement number: hosts put the conversation's number there. */
  readonly sequence: number;
}

export function writePacket(header: Header, tag: Tag): FrameMemory {
  const { protocol } = header;
  const transport = IP_OFFSET + 20;
  const payload = transport + TRANSPORT_BYTES[protocol]!;
  const bytes = new Uint8Array(payload + TAG_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(IP_OFFSET, 0x4500);
  view.setUint16(IP_OFFSET + 2, bytes.length - IP_OFFSET);
  view.setUint16(IP_OFFSET + 8, (64 << 8) | protocol);
  view.setUint32(IP_OFFSET + 12, header.source);
  view.setUint32(IP_OFFSET + 16, header.destination);
  view.setUint16(IP_OFFSET + 10, ~sum(view, IP_OFFSET, 20, 0));
  writeTag(view, payload, tag);
  if (protocol === ICMP) {
    view.setUint8(transport, header.control);
    view.setUint16(transport + 4, header.sourcePort);
    view.setUint16(transport + 6, tag.sequence);
    view.setUint16(transport + 2, ~sum(view, transport, 8 + TAG_BYTES, 0));
    return { bytes, view, address: 0 };
  }
  view.setUint16(transport, header.sourcePort);
  view.setUint16(transport + 2, header.destinationPort);
  const length = bytes.length - transport;
  let checksum = transport + 6;
  if (protocol === UDP) {
    view.setUint16(transport + 4, length);
  } else {
    view.setUint32(transport + 4, tag.sequence);
    if (header.control & ACK) view.setUint32(transport + 8, tag.talk);
    view.setUint16(transport + 12, (5 << 12) | header.control);
    checksum = transport + 16;
  }
  const complement = ~sum(view, transport, length, pseudo(view, protocol, length)) & 0xffff;
  view.setUint16(checksum, protocol === UDP && complement === 0 ? 0xffff : complement);
  return { bytes, view, address: 0 };
}

function writeTag(view: DataView, at: number, tag: Tag): void {
  view.setUint32(at, tag.talk);
  view.setUint32(at + 4, tag.inside);
  view.setUint16(at + 8, tag.insidePort);
  view.setUint16(at + 10, tag.remotePort);
  view.setUint32(at + 12, tag.remote);
  view.setUint32(at + 16, tag.outside);
  view.setUint16(at + 20, tag.outsidePort);
  view.setUint16(at + 22, tag.word);
  view.setUint32(at + 24, tag.sequence);
  view.setUint32(at + 28, tag.heardMs);
}

/** Reads a packet that a gateway let through. Throws where it is not whole: no host sent that. */
export function readPacket({ view }: FrameMemory, length: number): Reading {
  const transport = IP_OFFSET + 20;
  const protocol = view.getUint8(IP_OFFSET + 9);
  const total = view.getUint16(IP_OFFSET + 2);
  const transportBytes = TRANSPORT_BYTES[protocol];
  if (transportBytes === undefined || total !== length - IP_OFFSET) throw new Error('no packet');
  if (sum(view, IP_OFFSET, 20, 0) !== 0xffff) throw new Error('IP checksum is wrong');
  const start = protocol === ICMP ? 0 : pseudo(view, protocol, total - 20);
  if (sum(view, transport, total - 20, start) !== 0xffff) throw new Error('checksum is wrong');
  const icmp = protocol === ICMP;
  const payload = transport + transportBytes;
  return {
    header: {
      protocol,
      source: view.getUint32(IP_OFFSET + 12),
      sourcePort: view.getUint16(icmp ? transport + 4 : transport),
      destination: view.getUint32(IP_OFFSET + 16),
      destinationPort: view.getUint16(icmp ? transport + 4 : transport + 2),
      control: icmp
        ? view.getUint8(transport)
        : protocol === TCP
          ? view.getUint8(transport + 13)
          : 0,
    },
    sequence: protocol === TCP ? view.getUint32(transport + 4) : 0,
    tag: length >= payload + TAG_BYTES ? readTag(view, payload) : null,
  };
}

function readTag(view: DataView, at: number): Tag {
  return {
    talk: view.getUint32(at),
    inside: view.getUint32(at + 4),
    insidePort: view.getUint16(at + 8),
    remotePort: view.getUint16(at + 10),
    remote: view.getUint32(at + 12),
    outside: view.getUint32(at + 16),
    outsidePort: view.getUint16(at + 20),
    word: view.getUint16(at + 22),
    sequence: view.getUint32(at + 24),
    heardMs: view.getUint32(at + 28),
  };
}

/** For people. */
export function formatHeader(header: Header): string {
  const from = formatEndpoint(header.source, header.sourcePort);
  const to = formatEndpoint(header.destination, header.destinationPort);
  return `${protocolName(header.protocol)} ${from} > ${to} control ${header.control}`;
}

export function copyPacket({ bytes }: FrameMemory): FrameMemory {
  const copy = bytes.slice();
  return { bytes: copy, view: new DataView(copy.buffer), address: 0 };
}

function pseudo(view: DataView, protocol: number, length: number): number {
  return (
    view.getUint16(IP_OFFSET + 12) +
    view.getUint16(IP_OFFSET + 14) +
    view.getUint16(IP_OFFSET + 16) +
    view.getUint16(IP_OFFSET + 18) +
    protocol +
    length
  );
}

/** RFC 1071 over an even number of bytes. */
function sum(view: DataView, at: number, length: number, total: number): number {
  for (let i = at; i < at + length; i += 2) total += view.getUint16(i);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}
