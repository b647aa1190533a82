import { ICMP, TCP, UDP } from '@flowstore/flow';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sumBytes } from './checksum.ts';
import { Malformed, Packet, parseIpv4 } from './parse.ts';
import { buildPacket, type PacketSpec } from './testing/packets.ts';

const spec: PacketSpec = {
  protocol: UDP,
  from: '198.18.1.10',
  to: '198.51.100.10',
  fromPort: 5000,
  toPort: 53,
};

function parse(bytes: Uint8Array, packet = new Packet()): Malformed {
  return parseIpv4(new DataView(bytes.buffer, 0, bytes.length), 0, bytes.length, packet);
}

/** Patches bytes and makes the IP header checksum right again. */
function patched(patch: Record<number, number>, base = buildPacket(spec)): Uint8Array {
  for (const [offset, value] of Object.entries(patch)) base[Number(offset)] = value;
  const view = new DataView(base.buffer);
  view.setUint16(10, 0);
  view.setUint16(10, ~sumBytes(view, 0, 20));
  return base;
}

test('addresses, ports and lengths are read', () => {
  const packet = new Packet();
  expect(parse(buildPacket({ ...spec, payload: new Uint8Array(5) }), packet)).toBe(Malformed.None);
  expect(packet).toMatchObject({
    source: 0xc612010a,
    destination: 0xc633640a,
    sourcePort: 5000,
    destinationPort: 53,
    transportLength: 13,
  });
});

test('an ICMP identifier stands for both ports', () => {
  const packet = new Packet();
  expect(parse(buildPacket({ ...spec, protocol: ICMP, fromPort: 77 }), packet)).toBe(0);
  expect([packet.sourcePort, packet.destinationPort, packet.icmpType]).toEqual([77, 77, 8]);
});

describe('each lie of a packet has its own name', () => {
  const tcp = { ...spec, protocol: TCP };
  const cases: [string, Uint8Array, Malformed][] = [
    ['an empty frame', new Uint8Array(0), Malformed.Truncated],
    ['a header cut short', buildPacket(spec).slice(0, 19), Malformed.Truncated],
    ['version 6', patched({ 0: 0x65 }), Malformed.NotIpv4],
    ['a header length below 20', patched({ 0: 0x44 }), Malformed.HeaderLength],
    ['a header length beyond the packet', patched({ 0: 0x4f }), Malformed.HeaderLength],
    ['a total length beyond the frame', patched({ 2: 1 }), Malformed.TotalLength],
    ['a total length below the header', patched({ 3: 19 }), Malformed.TotalLength],
    ['a wrong header checksum', buildPacket(spec).with(10, 0), Malformed.HeaderChecksum],
    ['TTL 1', patched({ 8: 1 }), Malformed.Ttl],
    ['an unknown protocol', patched({ 9: 47 }), Malformed.Protocol],
    ['a multicast source', patched({ 12: 224 }), Malformed.Address],
    ['a loopback source', patched({ 12: 127 }), Malformed.Address],
    ['a multicast destination', patched({ 16: 239 }), Malformed.Address],
    ['a source port of 0', patched({ 20: 0, 21: 0 }), Malformed.Port],
    ['a destination port of 0', patched({ 22: 0, 23: 0 }), Malformed.Port],
    ['UDP cut short', patched({ 3: 27 }), Malformed.TransportTruncated],
    ['a UDP length beyond the packet', patched({ 25: 9 }), Malformed.TransportLength],
    ['a UDP length below 8', patched({ 25: 7 }), Malformed.TransportLength],
    ['TCP cut short', patched({ 3: 39 }, buildPacket(tcp)), Malformed.TransportTruncated],
    ['a TCP offset below 5', patched({ 32: 0x40 }, buildPacket(tcp)), Malformed.TransportLength],
    ['a TCP offset too long', patched({ 32: 0x60 }, buildPacket(tcp)), Malformed.TransportLength],
    [
      'an ICMP timestamp query',
      buildPacket({ ...spec, protocol: ICMP, icmpType: 13 }),
      Malformed.IcmpType,
    ],
  ];
  test.each(cases)('%s', (_name, bytes, expected) => {
    expect(parse(bytes)).toBe(expected);
  });
});

test('Ethernet padding behind the packet is no part of it', () => {
  const padded = new Uint8Array(46);
  padded.set(buildPacket(spec));
  const packet = new Packet();
  expect(parse(padded, packet)).toBe(Malformed.None);
  expect(packet.totalLength).toBe(28);
});

test('random and mutated bytes never make it read out of bounds', () => {
  const anyMutation = fc.tuple(fc.nat(60), fc.nat(255));
  fc.assert(
    fc.property(
      fc.constantFrom(TCP, UDP, ICMP),
      fc.array(anyMutation, { maxLength: 6 }),
      fc.nat(60),
      (protocol, mutations, length) => {
        const bytes = buildPacket({ ...spec, protocol }).slice(0, length);
        for (const [offset, value] of mutations) if (offset < bytes.length) bytes[offset] = value;
        const packet = new Packet();
        // A DataView throws on any read outside: not throwing is the promise.
        if (parse(bytes, packet) === Malformed.None) {
          expect(packet.transportOffset + packet.transportLength).toBeLessThanOrEqual(bytes.length);
        }
        parse(patchedOrSame(bytes));
      },
    ),
    { numRuns: 5000 },
  );
});

/** With a right header checksum the parser gets deeper. */
function patchedOrSame(bytes: Uint8Array): Uint8Array {
  return bytes.length >= 20 ? patched({}, bytes) : bytes;
}
