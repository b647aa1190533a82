import { ICMP, ipv4ToNumber, parseAddress, TCP, UDP } from '@flowstore/flow';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Malformed, Packet, parseIpv4 } from './parse.ts';
import {
  buildPacket,
  checksumsAreRight,
  completeChecksum,
  type PacketSpec,
} from './testing/packets.ts';
import { translateDestination, translateSource } from './translate.ts';

const INSIDE = '198.18.1.10';
const REMOTE = '198.51.100.10';

const anyPort = fc.integer({ min: 1, max: 0xffff });
const anyCase = fc.record({
  protocol: fc.constantFrom(TCP, UDP, ICMP),
  fromPort: anyPort,
  toPort: anyPort,
  port: anyPort,
  address: fc.integer({ min: 0x80000000, max: 0xdfffffff }),
  payload: fc.uint8Array({ maxLength: 64 }),
});

function parsed(bytes: Uint8Array): { view: DataView; packet: Packet } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packet = new Packet();
  expect(parseIpv4(view, 0, bytes.length, packet)).toBe(Malformed.None);
  return { view, packet };
}

test('a translated packet has the new source, right checksums, one hop less', () => {
  fc.assert(
    fc.property(anyCase, ({ protocol, fromPort, toPort, port, address, payload }) => {
      const spec: PacketSpec = { protocol, from: INSIDE, to: REMOTE, fromPort, toPort, payload };
      const bytes = buildPacket(spec);
      const { view, packet } = parsed(bytes);
      translateSource(view, packet, address, port, false);
      expect(checksumsAreRight(bytes)).toBe(true);
      const from = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
      const expected = buildPacket({ ...spec, from: from.join('.'), fromPort: port, ttl: 63 });
      expect(Buffer.from(bytes).equals(expected)).toBe(true);
    }),
  );
});

test('out and back again restores the endpoints', () => {
  fc.assert(
    fc.property(anyCase, ({ protocol, fromPort, toPort, port, payload }) => {
      const back = { protocol, from: REMOTE, to: '203.0.113.5', fromPort: toPort, toPort: port };
      const bytes = buildPacket({
        ...back,
        payload,
        ...(protocol === ICMP ? { fromPort: port, icmpType: 0 } : {}),
      });
      const { view, packet } = parsed(bytes);
      translateDestination(view, packet, ipv4ToNumber(parseAddress(INSIDE)), fromPort, false);
      expect(checksumsAreRight(bytes)).toBe(true);
      const again = parsed(bytes).packet;
      expect(again.destination).toBe(ipv4ToNumber(parseAddress(INSIDE)));
      expect(again.destinationPort).toBe(fromPort);
    }),
  );
});

test('a partial checksum stays partial and comes out right once the device completes it', () => {
  fc.assert(
    fc.property(
      anyCase,
      fc.constantFrom(TCP, UDP),
      ({ fromPort, toPort, port, address, payload }, protocol) => {
        const bytes = buildPacket({
          protocol,
          from: INSIDE,
          to: REMOTE,
          fromPort,
          toPort,
          payload,
          partialChecksum: true,
        });
        const { view, packet } = parsed(bytes);
        translateSource(view, packet, address, port, true);
        completeChecksum(bytes);
        expect(checksumsAreRight(bytes)).toBe(true);
      },
    ),
  );
});

test('UDP without a checksum stays without, and one that sums to zero is sent as ffff', () => {
  const spec = { protocol: UDP, from: INSIDE, to: REMOTE, fromPort: 1, toPort: 2 };
  const without = buildPacket({ ...spec, noChecksum: true });
  const { view, packet } = parsed(without);
  translateSource(view, packet, 0xcb007105, 4000, false);
  expect(view.getUint16(26)).toBe(0);
  for (let port = 0; port < 65_536; port++) {
    const bytes = buildPacket(spec);
    const read = parsed(bytes);
    translateSource(read.view, read.packet, 0xcb007105, port, false);
    expect(read.view.getUint16(26)).not.toBe(0);
  }
});

test.each([0, 7])(
  'an echo reply of zeros has a right checksum, from the identifier %d on',
  (id) => {
    const payload = new Uint8Array(8);
    const echo = { protocol: ICMP, from: REMOTE, to: INSIDE, toPort: 0, icmpType: 0, sequence: 0 };
    const bytes = buildPacket({ ...echo, fromPort: id, payload });
    const { view, packet } = parsed(bytes);
    translateDestination(view, packet, ipv4ToNumber(parseAddress(INSIDE)), 0, false);
    expect(checksumsAreRight(bytes)).toBe(true);
    expect(view.getUint16(packet.transportOffset + 2)).toBe(0xffff);
  },
);
