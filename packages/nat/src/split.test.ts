import { UDP } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { sumBytes } from './checksum.ts';
import { Malformed, Packet, parseIpv4 } from './parse.ts';
import { splitPacket } from './split.ts';
import { buildPacket } from './testing/packets.ts';

/** One that every fragment carries (0x83: loose source route, 3 bytes), one not, the end. */
const OPTIONS = [0x83, 3, 4, 7, 3, 4, 0, 0];

function withOptions(packet: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from([...packet.slice(0, 20), ...OPTIONS, ...packet.slice(20)]);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x47;
  view.setUint16(2, bytes.length);
  view.setUint16(10, 0);
  view.setUint16(10, ~sumBytes(view, 0, 28));
  return bytes;
}

test('4787-13a: options that are not to be copied are in the first fragment alone', () => {
  const payload = Uint8Array.from({ length: 992 }, (_, i) => i % 251);
  const address = { from: '198.18.1.10', to: '198.51.100.10', fromPort: 1, toPort: 2 };
  const whole = withOptions(buildPacket({ protocol: UDP, ...address, payload }));
  const view = new DataView(whole.buffer);
  const packet = new Packet();
  expect(parseIpv4(view, 0, whole.length, packet)).toBe(Malformed.None);
  const fragments = splitPacket(view, packet, 400);
  expect(fragments.map(({ length }) => length)).toEqual([396, 400, 280]);
  expect(fragments.map((one) => [...one.slice(20, (one[0]! & 15) * 4)])).toEqual([
    OPTIONS,
    [0x83, 3, 4, 0],
    [0x83, 3, 4, 0],
  ]);
  for (const one of fragments) {
    expect(sumBytes(new DataView(one.buffer), 0, (one[0]! & 15) * 4)).toBe(0xffff);
  }
  const bodies = fragments.map((one) => one.slice((one[0]! & 15) * 4));
  expect(Buffer.concat(bodies).equals(whole.slice(28))).toBe(true);
  const words = fragments.map((one) => new DataView(one.buffer).getUint16(6));
  expect(words).toEqual([0x2000, 0x2000 | (368 / 8), (368 + 376) / 8]);
});
