/** Fragments, by hand-written bytes where it matters what stands on the wire. */
import { ICMP, TCP, UDP } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import { fragmentOffset, isFragment, isLastFragment, isLaterFragment } from './fragment.ts';
import { Malformed, Packet, parseIpv4 } from './parse.ts';
import { splitPacket } from './split.ts';
import {
  buildError,
  buildPacket,
  fragmentOf,
  fragmentsOf,
  reassembled,
  sealed,
} from './testing/packets.ts';
import {
  setIdentification,
  translateDestinationAddress,
  translateSource,
  translateSourceAddress,
} from './translate.ts';

/** UDP 198.18.1.10:5000 -> 198.51.100.10:53, identification 0x1234: 16 bytes of data, in two. */
const FIRST =
  '4500 0024 1234 2000 4011 573b c612 010a c633 640a 1388 0035 0018 9a3e 0102 0304 0506 0708';
const LAST = '4500 001c 1234 0002 4011 7741 c612 010a c633 640a 1112 1314 1516 1718';
/** The same from 203.0.113.5:40000, identification 0xbeef, one hop less. */
const FIRST_OUT =
  '4500 0024 beef 2000 3f11 3696 cb00 7105 c633 640a 9c40 0035 0018 9c9c 0102 0304 0506 0708';
const LAST_OUT = '4500 001c beef 0002 3f11 569c cb00 7105 c633 640a 1112 1314 1516 1718';
const OUTSIDE = 0xcb_00_71_05;
const INSIDE = 0xc6_12_01_0a;

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const hexOf = (bytes: Uint8Array) =>
  Buffer.from(bytes)
    .toString('hex')
    .match(/.{1,4}/g)!
    .join(' ');

function parsed(bytes: Uint8Array): { view: DataView; packet: Packet; malformed: Malformed } {
  const view = new DataView(bytes.buffer);
  const packet = new Packet();
  return { view, packet, malformed: parseIpv4(view, 0, bytes.length, packet) };
}

const spec = { from: '198.18.1.10', to: '198.51.100.10', fromPort: 5_000, toPort: 53 };
const DATA = Uint8Array.from({ length: 64 }, (_, i) => i);
const datagram = buildPacket({ ...spec, protocol: UDP, payload: new Uint8Array(64) });
const segment = buildPacket({ ...spec, protocol: TCP, payload: new Uint8Array(64) });

test('the first fragment has ports, the others have none', () => {
  const first = parsed(bytesOf(FIRST));
  expect(first.malformed).toBe(Malformed.None);
  expect(first.packet).toMatchObject({ sourcePort: 5_000, destinationPort: 53, protocol: UDP });
  expect([isFragment, isLaterFragment, isLastFragment].map((is) => is(first.packet))).toEqual([
    true,
    false,
    false,
  ]);
  const last = parsed(bytesOf(LAST));
  expect(last.malformed).toBe(Malformed.None);
  expect(last.packet).toMatchObject({ sourcePort: 0, destinationPort: 0, transportLength: 8 });
  expect(fragmentOffset(last.packet)).toBe(16);
  expect(isLaterFragment(last.packet) && isLastFragment(last.packet)).toBe(true);
});

test('4787-14: the transport checksum changes in the first fragment alone', () => {
  const first = bytesOf(FIRST);
  const { view, packet } = parsed(first);
  setIdentification(view, packet, 0xbeef);
  translateSource(view, packet, OUTSIDE, 40_000, false);
  expect(hexOf(first)).toBe(FIRST_OUT);
  const last = bytesOf(LAST);
  const later = parsed(last);
  setIdentification(later.view, later.packet, 0xbeef);
  translateSourceAddress(later.view, later.packet, OUTSIDE);
  expect(hexOf(last)).toBe(LAST_OUT);
});

test('a later fragment that comes in has another destination, and is else as it was', () => {
  const [, last] = fragmentsOf(buildPacket({ ...spec, protocol: UDP, payload: DATA }), [16]);
  const { view, packet } = parsed(last!);
  translateDestinationAddress(view, packet, INSIDE);
  const to = '198.18.1.10';
  const whole = buildPacket({ ...spec, to, protocol: UDP, payload: DATA, ttl: 63 });
  expect(hexOf(last!)).toBe(hexOf(fragmentsOf(whole, [16])[1]!));
});

describe('a fragment that is meant to slip by is told by its own name', () => {
  const cases: [string, Uint8Array, Malformed][] = [
    ['TCP without its flags (RFC 1858)', fragmentOf(segment, 0, 8), Malformed.TinyFragment],
    ['TCP without its checksum', fragmentOf(segment, 0, 16), Malformed.TinyFragment],
    ['a TCP header at offset 1 (RFC 3128)', fragmentOf(segment, 8, 40), Malformed.TinyFragment],
    ['the end of one at offset 2', fragmentOf(segment, 16, 40), Malformed.TinyFragment],
    ['nothing at all', fragmentOf(datagram, 0, 0), Malformed.Fragment],
    ['a length that is no multiple of 8', fragmentOf(datagram, 0, 21), Malformed.Fragment],
    ['an end beyond 65,535 bytes', lastFragment(65_504, 12), Malformed.Fragment],
    ['an unknown protocol', withProtocol(fragmentOf(datagram, 16, 32), 47), Malformed.Protocol],
    ['an ICMP error in fragments', fragmentOf(errorAbout(segment), 0, 56), Malformed.Fragment],
  ];
  test.each(cases)('%s', (_name, bytes, malformed) => {
    expect(parsed(bytes).malformed).toBe(malformed);
  });

  test('whole headers are enough, and the last byte may be the 65,535th', () => {
    expect(parsed(fragmentOf(segment, 0, 24)).malformed).toBe(Malformed.None);
    expect(parsed(fragmentOf(segment, 24, 40)).malformed).toBe(Malformed.None);
    expect(parsed(fragmentOf(datagram, 0, 8)).malformed).toBe(Malformed.None);
    expect(parsed(lastFragment(65_504, 11)).malformed).toBe(Malformed.None);
    const echo = buildPacket({ ...spec, protocol: ICMP, payload: DATA });
    expect(parsed(fragmentOf(echo, 0, 8)).malformed).toBe(Malformed.None);
  });
});

function lastFragment(offset: number, length: number): Uint8Array {
  const bytes = fragmentOf(datagram, 72 - length, 72);
  return patched(bytes, { 6: offset >>> 11, 7: (offset / 8) & 0xff });
}

function withProtocol(bytes: Uint8Array, protocol: number): Uint8Array {
  return patched(bytes, { 9: protocol });
}

function patched(bytes: Uint8Array, patches: Record<number, number>): Uint8Array {
  for (const [at, value] of Object.entries(patches)) bytes[Number(at)] = value;
  return sealed(bytes);
}

function errorAbout(about: Uint8Array): Uint8Array {
  const addresses = { from: '198.51.100.10', to: '198.18.1.10' };
  return buildError({ ...addresses, about, type: 3, code: 3, word: 0, keep: 40 });
}

test('4787-13a: a fragment that is too big is split further', () => {
  const payload = Uint8Array.from({ length: 3_000 }, (_, i) => i % 251);
  const whole = buildPacket({ ...spec, protocol: UDP, payload, fragment: 0, identification: 7 });
  const parts = fragmentsOf(whole, [1_480, 2_960]).flatMap((fragment) => {
    const { view, packet } = parsed(fragment);
    return packet.totalLength > 576 ? splitPacket(view, packet, 576) : [fragment];
  });
  expect(parts).toHaveLength(7);
  expect(Buffer.from(reassembled(parts)!).equals(whole)).toBe(true);
});
