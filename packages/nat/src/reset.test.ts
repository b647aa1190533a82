import { TCP } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { Packet, parseIpv4 } from './parse.ts';
import { RESET_BYTES, writeReset } from './reset.ts';
import { buildPacket, checksumsAreRight, type PacketSpec } from './testing/packets.ts';

const spec: PacketSpec = {
  protocol: TCP,
  from: '198.18.1.10',
  to: '198.51.100.10',
  fromPort: 4000,
  toPort: 80,
  sequence: 1000,
  acknowledgement: 7777,
  payload: new Uint8Array(10),
};

function resetFor(given: PacketSpec): { bytes: Uint8Array; view: DataView; packet: Packet } {
  const bytes = buildPacket(given);
  const packet = new Packet();
  parseIpv4(new DataView(bytes.buffer), 0, bytes.length, packet);
  const reset = new Uint8Array(RESET_BYTES);
  const view = new DataView(reset.buffer);
  writeReset(new DataView(bytes.buffer), packet, view, 0);
  const read = new Packet();
  expect(parseIpv4(view, 0, reset.length, read)).toBe(0);
  return { bytes: reset, view, packet: read };
}

test('the reset of an acknowledging segment takes its sequence from the acknowledgement', () => {
  const { bytes, view, packet } = resetFor(spec);
  expect(checksumsAreRight(bytes)).toBe(true);
  expect([packet.sourcePort, packet.destinationPort, packet.tcpFlags]).toEqual([80, 4000, 0x04]);
  expect(view.getUint32(24)).toBe(7777);
});

test('the reset of a segment without an acknowledgement acknowledges all of it', () => {
  const { bytes, view, packet } = resetFor({ ...spec, tcpFlags: 0x03 });
  expect(checksumsAreRight(bytes)).toBe(true);
  expect(packet.tcpFlags).toBe(0x14);
  expect(view.getUint32(28)).toBe(1000 + 10 + 2);
});
