import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FairShare } from './fair-share.ts';

/** Takes as long as there is room; how much it got. */
function flood(share: FairShare, taker: number): number {
  let got = 0;
  for (; share.hasRoom(taker, 1); got++) share.take(taker, 1);
  return got;
}

test('one that floods gets half, the next one half of what is left', () => {
  const share = new FairShare(100);
  expect(flood(share, 1)).toBe(50);
  expect(flood(share, 2)).toBe(25);
  expect(share.used).toBe(75);
});

test('those that flood at the same time get the same, and leave room for a newcomer', () => {
  const share = new FairShare(100);
  const got = [0, 0, 0];
  for (let round = 0; round < 100; round++) {
    for (const taker of got.keys()) {
      if (!share.hasRoom(taker, 1)) continue;
      share.take(taker, 1);
      got[taker]!++;
    }
  }
  expect(Math.max(...got) - Math.min(...got)).toBeLessThanOrEqual(1);
  expect(share.used).toBeLessThanOrEqual(76);
  expect(share.hasRoom(99, 1)).toBe(true);
});

test('never more than there is, whatever is taken and given back', () => {
  const step = fc.record({ taker: fc.nat({ max: 4 }), amount: fc.integer({ min: 1, max: 20 }) });
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.boolean())), (steps) => {
      const share = new FairShare(50);
      const taken: { taker: number; amount: number }[] = [];
      for (const [{ taker, amount }, back] of steps) {
        const last = back ? taken.pop() : undefined;
        if (last !== undefined) share.giveBack(last.taker, last.amount);
        else if (share.hasRoom(taker, amount)) {
          share.take(taker, amount);
          taken.push({ taker, amount });
        }
        expect(share.used).toBe(taken.reduce((sum, one) => sum + one.amount, 0));
        expect(share.used).toBeLessThanOrEqual(50);
      }
    }),
  );
});
