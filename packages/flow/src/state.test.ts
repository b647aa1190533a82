import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeState } from './state.ts';
import { anyState } from './testing/arbitraries.ts';

test('merging is commutative', () => {
  fc.assert(
    fc.property(anyState, anyState, (a, b) => {
      expect(mergeState(a, b)).toEqual(mergeState(b, a));
    }),
  );
});

test('merging is associative', () => {
  fc.assert(
    fc.property(anyState, anyState, anyState, (a, b, c) => {
      expect(mergeState(mergeState(a, b), c)).toEqual(mergeState(a, mergeState(b, c)));
    }),
  );
});

test('merging is idempotent: a report that arrives twice changes nothing', () => {
  fc.assert(
    fc.property(anyState, anyState, (a, b) => {
      const once = mergeState(a, b);
      expect(mergeState(once, b)).toEqual(once);
      expect(mergeState(a, a)).toEqual(a);
    }),
  );
});
