import { describe, expect, test } from 'vitest';
import { type Figures, median, summarise } from './figures.ts';

const figures = (value: number): Figures => ({
  flows: 10,
  insertCpuNs: value,
  lookupTouchNs: 2 * value,
  lookupTouchAloneNs: 3 * value,
  lookupTouchHotNs: -value,
  lookupMissNs: 1,
  bytesPerFlow: value,
  expireCpuNs: value,
  maxStallMs: value / 3,
});

describe('the median', () => {
  test('is the middle one, whatever the order, or the mean of the middle two', () => {
    expect(median([5])).toBe(5);
    expect(median([9, 1, 100, 2, 10])).toBe(9);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow(RangeError);
  });

  test('is taken measure by measure, with the spread beside it', () => {
    const { median, lowest, highest } = summarise([figures(3), figures(1), figures(2)]);
    expect(median).toEqual({ ...figures(2), maxStallMs: 0.667 });
    expect([lowest.insertCpuNs, highest.insertCpuNs]).toEqual([1, 3]);
    expect([lowest.lookupTouchHotNs, highest.lookupTouchHotNs]).toEqual([-3, -1]);
    expect(median.flows).toBe(10);
  });
});
