/**
 * Splits a packet that is too big for the next link into fragments, in order (RFC 791): a whole
 * one, or a fragment, which is split further.
 */

import { UDP } from '@flowstore/flow';
import { sumBytes } from './checksum.ts';
import { FRAGMENT_UNIT_BYTES, fragmentOffset, isLastFragment } from './fragment.ts';
import {
  IPV4_CHECKSUM,
  IPV4_DONT_FRAGMENT,
  IPV4_FRAGMENT,
  IPV4_HEADER_BYTES,
  IPV4_MORE_FRAGMENTS,
  IPV4_TOTAL_LENGTH,
  TCP_CHECKSUM,
  UDP_CHECKSUM,
} from './headers.ts';
import type { Packet } from './parse.ts';

const OPTION_COPIED = 0x80;
const OPTION_END = 0;
const OPTION_NOP = 1;

export function mayBeSplit({ fragment }: Packet): boolean {
  return (fragment & IPV4_DONT_FRAGMENT) === 0;
}

/** What a device would have done: a split packet's checksum has to be whole. */
export function completeChecksum(view: DataView, packet: Packet): void {
  const { protocol, transportOffset, transportLength } = packet;
  const checksum = transportOffset + (protocol === UDP ? UDP_CHECKSUM : TCP_CHECKSUM);
  const sum = ~sumBytes(view, transportOffset, transportLength) & 0xffff;
  view.setUint16(checksum, sum === 0 && protocol === UDP ? 0xffff : sum);
}

/** The fragments of a packet, none above `mtuBytes`. */
export function splitPacket(view: DataView, packet: Packet, mtuBytes: number): Uint8Array[] {
  const { ipOffset, totalLength, transportOffset, transportLength } = packet;
  const bytes = new Uint8Array(view.buffer, view.byteOffset + ipOffset, totalLength);
  const first = bytes.subarray(0, transportOffset - ipOffset);
  const later = laterHeader(first);
  const from = fragmentOffset(packet);
  const endsIt = isLastFragment(packet);
  const fragments: Uint8Array[] = [];
  for (let at = 0; at < transportLength; ) {
    const header = at === 0 ? first : later;
    const room = mtuBytes - header.length;
    const isLast = transportLength - at <= room;
    const size = isLast ? transportLength - at : room - (room % FRAGMENT_UNIT_BYTES);
    const fragment = new Uint8Array(header.length + size);
    fragment.set(header);
    fragment.set(bytes.subarray(first.length + at, first.length + at + size), header.length);
    writeHeader(fragment, header.length, from + at, isLast && endsIt);
    fragments.push(fragment);
    at += size;
  }
  return fragments;
}

function writeHeader(fragment: Uint8Array, headerLength: number, at: number, isLast: boolean) {
  const view = new DataView(fragment.buffer);
  view.setUint8(0, 0x40 | (headerLength / 4));
  view.setUint16(IPV4_TOTAL_LENGTH, fragment.length);
  view.setUint16(IPV4_FRAGMENT, (isLast ? 0 : IPV4_MORE_FRAGMENTS) | (at / FRAGMENT_UNIT_BYTES));
  view.setUint16(IPV4_CHECKSUM, 0);
  view.setUint16(IPV4_CHECKSUM, ~sumBytes(view, 0, headerLength));
}

/** Of the options, later fragments have only those that say so (RFC 791 section 3.1). */
function laterHeader(header: Uint8Array): Uint8Array {
  const kept = [...header.subarray(0, IPV4_HEADER_BYTES)];
  for (let i = IPV4_HEADER_BYTES; i < header.length; ) {
    const kind = header[i]!;
    if (kind === OPTION_END) break;
    const length = kind === OPTION_NOP ? 1 : header[i + 1]!;
    if (length === 0 || i + length > header.length) break;
    if (kind & OPTION_COPIED) kept.push(...header.subarray(i, i + length));
    i += length;
  }
  while (kept.length % 4 !== 0) kept.push(OPTION_END);
  return Uint8Array.from(kept);
}
