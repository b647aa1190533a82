import { expect, test } from 'vitest';
import { moments, slope } from './vitals.ts';

test('the slope of memory is that of the line nearest to all samples', () => {
  const samples = [10, 30, 20, 40].map((rssBytes, k) => ({ atMs: 5 * k, rssBytes }));
  expect(slope(samples)).toBeCloseTo(1.6);
  expect(slope(samples.slice(0, 1))).toBe(0);
});

test('what a process took is told at ten moments at most, the last one included', () => {
  expect(moments([1, 2, 3])).toEqual([1, 2, 3]);
  expect(moments(Array.from({ length: 95 }, (_, k) => k))).toEqual([
    9, 18, 28, 37, 47, 56, 66, 75, 85, 94,
  ]);
  expect(moments([])).toEqual([]);
});
