import { expect, test } from 'vitest';
import { createFrameMemory } from './frame.ts';
import { NO_ROUTE } from './next-hops.ts';
import { staticNextHops } from './static-next-hops.ts';
import { parseAddress } from './testing/udp-frame.ts';

const inside = {
  index: 1,
  name: 'in',
  mac: '02:00:00:00:00:01',
  mtu: 1500,
  addresses: [parseAddress('198.18.0.1')],
};
const via = (destination: string, prefixBits: number, mac: string) => ({
  destination: parseAddress(destination),
  prefixBits,
  interfaceIndex: 1,
  mac,
});

test('the longest route writes the header', () => {
  const hops = staticNextHops(
    [inside],
    [via('198.18.0.0', 15, '02:00:00:00:00:0a'), via('198.18.7.0', 24, '02:00:00:00:00:0b')],
  );
  const { bytes, view } = createFrameMemory(32);
  expect(hops.write(view, 4, parseAddress('198.18.7.9'), 0)).toBe(1);
  expect(Buffer.from(bytes.subarray(14, 28)).toString('hex')).toBe('02000000000b0200000000010800');
  expect(hops.write(view, 4, parseAddress('198.18.8.9'), 0)).toBe(1);
  expect(bytes[19]).toBe(0x0a);
  expect(hops.write(view, 4, parseAddress('203.0.113.1'), 0)).toBe(NO_ROUTE);
});

test('local is the box itself, and what no router forwards', () => {
  const hops = staticNextHops([inside], []);
  for (const own of ['198.18.0.1', '255.255.255.255', '224.0.0.1', '127.0.0.1', '0.0.0.0']) {
    expect(hops.isLocal(parseAddress(own))).toBe(true);
    expect(hops.isLocal(parseAddress(own) | 0)).toBe(true);
  }
  expect(hops.isLocal(parseAddress('198.18.0.2'))).toBe(false);
  expect(hops.interfaceIndex('in')).toBe(1);
  expect(hops.interfaceIndex('out')).toBe(-1);
  expect([hops.mtu(1), hops.mtu(2)]).toEqual([1500, 0]);
});

test('what makes no sense is refused with a code', () => {
  const refused = expect.objectContaining({ code: 'PACKET_IO_ARGUMENT' });
  const mac = '02:00:00:00:00:0a';
  expect(() => staticNextHops([], [via('0.0.0.0', 0, mac)])).toThrow(refused);
  expect(() => staticNextHops([inside], [via('0.0.0.0', 0, 'nonsense')])).toThrow(refused);
});
