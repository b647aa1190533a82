import { firstPortOfBlock, UDP } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { PortBlocks } from './port-blocks.ts';

const range = { shard: 3, protocol: UDP, address: Uint8Array.of(203, 0, 113, 5) };

/** A small generator, so that a failure repeats. */
function seeded(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 3;
  };
}

test('every free port of a block is handed out once, then none', () => {
  const blocks = new PortBlocks(seeded());
  blocks.grant(range, 2, 0xfffe, 1000, 0);
  const taken = new Set(Array.from({ length: 15 }, () => blocks.take(range, 1)));
  expect(taken.size).toBe(15);
  expect(taken.has(1024 + 32)).toBe(false);
  expect(blocks.take(range, 1)).toBe(0);
});

test('no port comes from a block whose lease has run out', () => {
  const blocks = new PortBlocks(seeded());
  blocks.grant(range, 2, 0xffff, 1000, 0);
  expect(blocks.available(range, 999)).toBe(16);
  expect(blocks.available(range, 1000)).toBe(0);
  expect(blocks.take(range, 1000)).toBe(0);
});

test('an unused proposal comes back, a used one does not', () => {
  const blocks = new PortBlocks(seeded());
  blocks.grant(range, 2, 0b11, 1000, 0);
  const first = blocks.take(range, 1);
  const second = blocks.take(range, 1);
  blocks.settle(range, 2, first, 'unused');
  blocks.settle(range, 2, second, 'used');
  expect(blocks.available(range, 1)).toBe(1);
  expect(blocks.take(range, 1)).toBe(first);
});

test('a renewal that was answered before a proposal arrived does not free its port', () => {
  const blocks = new PortBlocks(seeded());
  blocks.grant(range, 2, 0b1, 1000, 0);
  blocks.take(range, 1);
  blocks.grant(range, 2, 0b1, 2000, 2);
  expect(blocks.take(range, 3)).toBe(0);
});

test('only blocks with every port free count as idle', () => {
  const blocks = new PortBlocks(seeded());
  blocks.grant(range, 2, 0xffff, 1000, 0);
  blocks.grant(range, 66, 0x7fff, 1000, 0);
  expect(blocks.idle(100, 99)).toHaveLength(0);
  expect(blocks.idle(100, 100).map((held) => held.block)).toEqual([2]);
  blocks.drop(range, 2);
  expect(blocks.size).toBe(1);
});

test('a port whose proposal got no answer is for those only who ask the store', () => {
  const blocks = new PortBlocks(seeded());
  blocks.grant(range, 2, 0b1, 10, 0);
  const port = blocks.takeSure(range, 1);
  blocks.settle(range, 2, port, 'unanswered');
  expect(blocks.take(range, 1)).toBe(0);
  blocks.grant(range, 2, 0b1, 10, 2);
  expect(blocks.takeSure(range, 2)).toBe(0);
  expect(blocks.take(range, 2)).toBe(port);
  blocks.settle(range, 2, port, 'used');
  blocks.grant(range, 2, 0b1, 10, 3);
  expect(blocks.takeSure(range, 3)).toBe(port);
});

test('a renewal that was asked before a proposal does not free its port', () => {
  const blocks = new PortBlocks(() => 0);
  blocks.grant(range, 2, 0b1, 1_000, 0);
  const port = blocks.take(range, 10);
  blocks.settle(range, 2, port, 'unanswered');
  blocks.grant(range, 2, 0b1, 2_000, 12, 9);
  expect(blocks.available(range, 12)).toBe(0);
  blocks.grant(range, 2, 0b1, 2_000, 14, 13);
  expect(blocks.available(range, 14)).toBe(1);
});

test('a port that turns out to be in use is taken out of hand', () => {
  const blocks = new PortBlocks(() => 0);
  blocks.grant(range, 2, 0b11, 1_000, 0);
  blocks.settle(range, 2, firstPortOfBlock(2), 'used');
  expect(blocks.take(range, 1)).toBe(firstPortOfBlock(2) + 1);
  expect(blocks.take(range, 1)).toBe(0);
});
