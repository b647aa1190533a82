import { expect, test } from 'vitest';
import { CallSize, LOOKS_MIN } from './call-size.ts';

const NETWORK_MS = 0.3;

/** Sweeps a server that takes so long per look, and gives the size that it comes to. */
function settle(size: CallSize, lookMs: number, calls = 500): number {
  for (let call = 0; call < calls; call++) {
    size.note(0, NETWORK_MS);
    const looks = size.looks();
    // One call of ten waits for somebody else.
    size.note(looks, NETWORK_MS + looks * lookMs + (call % 10 === 0 ? 5 : 0));
  }
  return size.looks();
}

test('a call holds the server about as long as it may, whatever the network takes', () => {
  const size = new CallSize({ holdMsMax: 0.5, looksMax: 1_000 });
  const looks = settle(size, 0.002);
  expect(looks * 0.002).toBeLessThanOrEqual(0.5);
  expect(looks * 0.002).toBeGreaterThan(0.3);
});

test('a server that becomes slow is asked for less, and for more once it is quick again', () => {
  const size = new CallSize({ holdMsMax: 0.5, looksMax: 1_000 });
  const before = settle(size, 0.002);
  expect(settle(size, 0.01)).toBeLessThan(before / 3);
  expect(settle(size, 0.002)).toBeGreaterThan(before * 0.8);
});

test('it stays within its bounds', () => {
  expect(settle(new CallSize({ holdMsMax: 0.5, looksMax: 64 }), 0.0001)).toBe(64);
  expect(settle(new CallSize({ holdMsMax: 0.5, looksMax: 1_000 }), 1)).toBe(LOOKS_MIN);
});
