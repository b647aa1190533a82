/** ICMP errors: the embedded packet is translated with the outer one, all checksums right. */
import { ICMP, ipv4ToNumber, parseAddress, TCP, UDP } from '@flowstore/flow';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sumBytes } from './checksum.ts';
import { translateErrorDestination, translateErrorSource } from './icmp-error.ts';
import { Malformed, Packet, parseIpv4 } from './parse.ts';
import { buildError, buildPacket, checksumsAreRight, type PacketSpec } from './testing/packets.ts';

const INSIDE = '198.18.1.10';
const OUTSIDE = '203.0.113.5';
const REMOTE = '198.51.100.10';
const ROUTER = '192.0.2.1';
const number = (text: string) => ipv4ToNumber(parseAddress(text));

const anyFlow = fc.record({
  protocol: fc.constantFrom(TCP, UDP, ICMP),
  insidePort: fc.nat(0xffff),
  outsidePort: fc.nat(0xffff),
  remotePort: fc.nat(0xffff),
  payload: fc.uint8Array({ maxLength: 40 }),
  // How much of the embedded packet behind its ports comes along; no half of a checksum.
  keep: fc.nat(30).map((words) => 2 * words),
  type: fc.constantFrom(3, 11, 12),
  word: fc.integer({ min: 0, max: 0xffffffff }),
});

function read(bytes: Uint8Array, packet = new Packet()) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { view, packet, malformed: parseIpv4(view, 0, bytes.length, packet) };
}

test('an error from outside becomes one about what the inside host sent', () => {
  fc.assert(
    fc.property(anyFlow, ({ protocol, insidePort, outsidePort, remotePort, keep, ...rest }) => {
      const { payload, type, word } = rest;
      const sent = (from: string, fromPort: number): PacketSpec => ({
        ...{ protocol, from, fromPort, to: REMOTE, toPort: remotePort, payload },
      });
      const error = (to: string, about: PacketSpec, ttl: number) =>
        buildError({ from: ROUTER, to, type, word, ttl, about: buildPacket(about), keep });
      const bytes = error(OUTSIDE, sent(OUTSIDE, outsidePort), 64);
      const { view, packet, malformed } = read(bytes);
      expect(malformed).toBe(Malformed.None);
      expect(packet).toMatchObject({ protocol, destination: number(OUTSIDE) });
      expect(packet).toMatchObject({ source: number(REMOTE), destinationPort: outsidePort });
      translateErrorDestination(view, packet, number(INSIDE), insidePort);
      expect(checksumsAreRight(bytes)).toBe(true);
      expect(Buffer.from(bytes).equals(error(INSIDE, sent(INSIDE, insidePort), 63))).toBe(true);
    }),
  );
});

test('an error from inside is the mirror image, and hides who speaks', () => {
  fc.assert(
    fc.property(anyFlow, ({ protocol, insidePort, outsidePort, remotePort, keep, ...rest }) => {
      const { payload, type, word } = rest;
      const sent = (to: string, port: number): PacketSpec => ({
        ...{ protocol, from: REMOTE, to, payload },
        ...(protocol === ICMP
          ? { fromPort: port, toPort: port, icmpType: 0 }
          : { fromPort: remotePort, toPort: port }),
      });
      const error = (from: string, about: PacketSpec, ttl: number) =>
        buildError({ from, to: REMOTE, type, word, ttl, about: buildPacket(about), keep });
      const bytes = error('198.18.0.1', sent(INSIDE, insidePort), 64);
      const { view, packet, malformed } = read(bytes);
      expect(malformed).toBe(Malformed.None);
      expect(packet).toMatchObject({ source: number(INSIDE), sourcePort: insidePort });
      expect(packet.destination).toBe(number(REMOTE));
      translateErrorSource(view, packet, number(OUTSIDE), outsidePort);
      expect(checksumsAreRight(bytes)).toBe(true);
      expect(Buffer.from(bytes).equals(error(OUTSIDE, sent(OUTSIDE, outsidePort), 63))).toBe(true);
    }),
  );
});

describe('what cannot be about a packet of a flow is dropped by name', () => {
  const about = buildPacket({
    ...{ protocol: UDP, from: OUTSIDE, fromPort: 5_000, to: REMOTE, toPort: 53 },
  });
  const error = (change: (embedded: Uint8Array) => Uint8Array, to = OUTSIDE) =>
    buildError({ from: ROUTER, to, type: 3, word: 0, about: change(about.slice()), keep: 40 });
  /** Patches bytes of the embedded IP header and makes its checksum right again. */
  const patch = (offset: number, value: number) => (embedded: Uint8Array) => {
    embedded[offset] = value;
    const view = new DataView(embedded.buffer);
    view.setUint16(10, 0);
    view.setUint16(10, ~sumBytes(view, 0, 20));
    return embedded;
  };
  const embedded = Malformed.IcmpEmbedded;
  const cases: [string, Uint8Array, Malformed][] = [
    ['5508-3: a wrong checksum of the error', error((b) => b).with(22, 1), Malformed.IcmpChecksum],
    ['nothing embedded', error((b) => b.slice(0, 0)), embedded],
    ['ports cut off', error((b) => b.slice(0, 27)), embedded],
    ['5508-3a: a wrong embedded header checksum', error((b) => b.with(10, 0)), embedded],
    ['an embedded version 6', error(patch(0, 0x65)), embedded],
    ['an embedded header shorter than a header', error(patch(0, 0x44)), embedded],
    ['embedded options that are cut off', error(patch(0, 0x4f)), embedded],
    ['a later fragment', error(patch(7, 1)), embedded],
    ['another protocol', error(patch(9, 47)), embedded],
    ['an error about an error', error((b) => patch(9, ICMP)(b.with(20, 3))), embedded],
    ['another sender than it goes to', error((b) => b, INSIDE), embedded],
    ['an embedded multicast destination', error(patch(16, 0xe0)), embedded],
  ];

  test.each(cases)('%s', (_, bytes, malformed) => {
    expect(read(bytes).malformed).toBe(malformed);
  });

  test('5508-3b: a first fragment, and options, are no hindrance', () => {
    expect(read(error(patch(6, 0x20))).malformed).toBe(Malformed.None);
    const withOptions = (plain: Uint8Array) => {
      const options = Uint8Array.of(1, 1, 1, 0);
      const bytes = Uint8Array.of(...plain.slice(0, 20), ...options, ...plain.slice(20));
      bytes[0] = 0x46;
      const view = new DataView(bytes.buffer);
      view.setUint16(10, 0);
      view.setUint16(10, ~sumBytes(view, 0, 24));
      return bytes;
    };
    const bytes = error(withOptions);
    const { view, packet, malformed } = read(bytes);
    expect(malformed).toBe(Malformed.None);
    translateErrorDestination(view, packet, number(INSIDE), 6_000);
    expect(checksumsAreRight(bytes)).toBe(true);
    expect(view.getUint16(28 + 24)).toBe(6_000);
    expect(sumBytes(view, 28, 24)).toBe(0xffff);
  });
});

test('5508-3d: RFC 4884 extensions stay as they are, and out of the embedded checksum', () => {
  const sent = { protocol: UDP, fromPort: 5_000, to: REMOTE, toPort: 53 };
  // 128 bytes of the packet, as RFC 4884 pads it, and an extension of 8 bytes.
  const extension = Uint8Array.of(0x20, 0, 0xa5, 0x5a, 0, 4, 1, 1);
  const error = (to: string, spec: PacketSpec, ttl: number) => {
    const padded = new Uint8Array(128);
    padded.set(buildPacket(spec));
    const about = Uint8Array.of(...padded, ...extension);
    return buildError({ from: ROUTER, to, type: 11, word: 32 << 16, ttl, about, keep: 200 });
  };
  const bytes = error(OUTSIDE, { ...sent, from: OUTSIDE }, 64);
  const { view, packet, malformed } = read(bytes);
  expect(malformed).toBe(Malformed.None);
  translateErrorDestination(view, packet, number(INSIDE), 6_000);
  const expected = error(INSIDE, { ...sent, from: INSIDE, fromPort: 6_000 }, 63);
  expect(Buffer.from(bytes).equals(expected)).toBe(true);
});
