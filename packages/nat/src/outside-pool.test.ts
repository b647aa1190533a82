import { formatAddress, ipv4ToNumber } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { OutsidePool } from './outside-pool.ts';
import { PrefixSet } from './prefix-set.ts';

const inside = (i: number) => Uint8Array.of(198, 18, i >>> 8, i & 255);

test('an inside address always has one outside address, and all of the pool is used', () => {
  const pool = new OutsidePool(['203.0.113.0/28']);
  const counts = new Map<string, number>();
  for (let i = 0; i < 1600; i++) {
    const address = formatAddress(pool.addressFor(0, inside(i)));
    expect(formatAddress(pool.addressFor(0, inside(i)))).toBe(address);
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  expect(counts.size).toBe(16);
  expect(Math.min(...counts.values())).toBeGreaterThan(60);
});

test('an address that joins the pool moves only the inside addresses it wins', () => {
  const before = new OutsidePool(['203.0.113.0/28']);
  const after = new OutsidePool(['203.0.113.0/28', '203.0.113.16/32']);
  let moved = 0;
  for (let i = 0; i < 1700; i++) {
    const now = formatAddress(after.addressFor(0, inside(i)));
    if (now === formatAddress(before.addressFor(0, inside(i)))) continue;
    expect(now).toBe('203.0.113.16');
    moved++;
  }
  expect(moved).toBeGreaterThan(50);
  expect(moved).toBeLessThan(180);
});

test('membership is exact, and an empty or oversized pool is refused', () => {
  const pool = new OutsidePool(['203.0.113.0/28']);
  expect(pool.size).toBe(16);
  expect(pool.contains(ipv4ToNumber(Uint8Array.of(203, 0, 113, 15)))).toBe(true);
  expect(pool.contains(ipv4ToNumber(Uint8Array.of(203, 0, 113, 16)))).toBe(false);
  expect(() => new OutsidePool([])).toThrow(RangeError);
  expect(() => new OutsidePool(['10.0.0.0/8'])).toThrow('65536');
});

test('a prefix set has its prefixes and nothing else', () => {
  const set = new PrefixSet(['198.18.0.0/16', '203.0.113.7']);
  expect(set.has(0xc6120000)).toBe(true);
  expect(set.has(0xc612ffff)).toBe(true);
  expect(set.has(0xc6130000)).toBe(false);
  expect(set.has(0xcb007107)).toBe(true);
  expect(new PrefixSet(['0.0.0.0/0']).has(1)).toBe(true);
});
