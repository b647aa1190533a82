import { expect, test } from 'vitest';
import { INBOUND, OUTBOUND, Traffic } from './traffic.ts';

test('bytes go on beyond 32 bits, each direction on its own', () => {
  const traffic = new Traffic(3);
  for (let i = 0; i < 70_000; i++) traffic.count(2, INBOUND, 65_535);
  traffic.count(2, OUTBOUND, 1);
  expect(traffic.bytes(2, INBOUND)).toBe(70_000 * 65_535);
  expect(traffic.packets(2, INBOUND)).toBe(70_000);
  expect([traffic.bytes(2, OUTBOUND), traffic.packets(2, OUTBOUND)]).toEqual([1, 1]);
  expect(traffic.bytes(1, INBOUND)).toBe(0);
  traffic.copy(2, 1);
  expect(traffic.bytes(1, INBOUND)).toBe(70_000 * 65_535);
  traffic.clear(2);
  expect([traffic.bytes(2, INBOUND), traffic.packets(2, OUTBOUND)]).toEqual([0, 0]);
  // What it had above 32 bits is gone from the copy too when that takes from another.
  traffic.copy(2, 1);
  expect(traffic.bytes(1, INBOUND)).toBe(0);
});
