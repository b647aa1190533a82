import { expect, test } from 'vitest';
import { parseCores } from './server-core.ts';

test('a list of cores, as Linux tells it, is read to its last one', () => {
  expect(parseCores('0')).toEqual([0]);
  expect(parseCores('0-2,5')).toEqual([0, 1, 2, 5]);
  expect(parseCores('1,4-5')).toEqual([1, 4, 5]);
});
