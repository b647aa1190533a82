import { expect, it } from 'vitest';
import { differingFields } from './config-difference.ts';

const differing = (ours: unknown, theirs: unknown) =>
  differingFields(JSON.stringify(ours), JSON.stringify(theirs));

it('names fields that differ, inner ones by their path, lists as a whole', () => {
  const ours = { version: 1, timeouts: { udpMs: 1, icmpMs: 2 }, pool: ['a', 'b'] };
  const theirs = { version: 1, timeouts: { udpMs: 3, icmpMs: 2 }, pool: ['b', 'a'] };
  expect(differing(ours, theirs)).toEqual(['pool', 'timeouts.udpMs']);
});

it('names fields that one side lacks', () => {
  expect(differing({ a: 1 }, { b: { c: 2 } })).toEqual(['a', 'b']);
});

it('finds nothing where only the order of keys differs', () => {
  expect(differing({ a: 1, b: { c: 1, d: 2 } }, { b: { d: 2, c: 1 }, a: 1 })).toEqual([]);
});
