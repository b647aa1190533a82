import { expect, test } from 'vitest';
import { slope } from './vitals.ts';

test('the slope of memory is that of the line nearest to all samples', () => {
  const samples = [10, 30, 20, 40].map((rssBytes, k) => ({ atMs: 5 * k, rssBytes }));
  expect(slope(samples)).toBeCloseTo(1.6);
  expect(slope(samples.slice(0, 1))).toBe(0);
});
