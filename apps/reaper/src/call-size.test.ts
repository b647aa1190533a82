import { expect, test } from 'vitest';
import { CallSize, LOOKS_MIN } from './call-size.ts';

const CALL_MS = 0.05;

/** Sweeps a server that takes so long per look; gives how long each call held it. */
function settle(size: CallSize, lookMs: number, calls = 500): number[] {
  return Array.from({ length: calls }, (_, call) => {
    const looks = size.looks();
    // It takes half as long again now and then, and one call of fifty much longer.
    const noise = call % 50 === 0 ? 4 : 1 + (call % 7) / 14;
    const heldMs = CALL_MS + looks * lookMs * noise;
    size.note(looks, heldMs);
    return heldMs;
  });
}

const OPTIONS = { holdMsMax: 0.5, looksMax: 1_000 };

test('the first call is small, and no call on the way up is much longer than it may be', () => {
  const size = new CallSize(OPTIONS);
  expect(size.looks()).toBe(LOOKS_MIN);
  const usual = settle(size, 0.001, 200).filter((_, call) => call % 50 !== 0);
  expect(Math.max(...usual)).toBeLessThan(0.6);
  expect(size.looks()).toBeGreaterThan(4 * LOOKS_MIN);
});

test('where calls differ, all but the rare slow ones hold the server as long as they may', () => {
  const size = new CallSize(OPTIONS);
  settle(size, 0.004);
  const held = settle(size, 0.004, 2_000).sort((a, b) => a - b);
  expect(held[Math.floor(0.975 * held.length)]).toBeLessThan(0.5);
  expect(held[Math.floor(0.5 * held.length)]).toBeGreaterThan(0.15);
});

test('a server that becomes slow is asked for less at once, and for more once it is quick', () => {
  const size = new CallSize(OPTIONS);
  settle(size, 0.002);
  const before = size.looks();
  settle(size, 0.01, 10);
  expect(size.looks()).toBeLessThan(before / 2);
  settle(size, 0.002);
  expect(size.looks()).toBeGreaterThan(before * 0.6);
});

test('it stays within its bounds', () => {
  const few = new CallSize({ holdMsMax: 0.5, looksMax: 64 });
  settle(few, 0.00001);
  expect(few.looks()).toBe(64);
  const slow = new CallSize(OPTIONS);
  settle(slow, 1);
  expect(slow.looks()).toBe(LOOKS_MIN);
});

test('a call that found little to do says nothing', () => {
  const size = new CallSize(OPTIONS);
  settle(size, 0.002);
  const before = size.looks();
  expect(size.looks()).toBe(before);
});
