import { expect, test } from 'vitest';
import { Overdue } from './overdue.ts';

test('the worst shard counts, for as long as it is fresh', () => {
  let nowMs = 0;
  const overdue = new Overdue(() => nowMs);
  expect(overdue.seconds()).toBe(0);
  overdue.note(1, 9_000);
  nowMs = 30_000;
  overdue.note(2, 4_000);
  expect(overdue.seconds()).toBe(9);
  nowMs = 61_000;
  expect(overdue.seconds()).toBe(4);
  overdue.note(2, 0);
  expect(overdue.seconds()).toBe(0);
});
