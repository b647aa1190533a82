import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BLOCKS,
  BLOCKS_PER_SHARD,
  blockOfPort,
  blockOfShard,
  firstPortOfBlock,
  isPoolPort,
  SHARDS,
  shardOfBlock,
  shardOfInside,
  shardOfOutside,
} from './shard.ts';
import { anyIpv4, anyProtocol } from './testing/arbitraries.ts';

test('every pool port lies in one block, and its shard owns that block', () => {
  fc.assert(
    fc.property(anyProtocol, anyIpv4, fc.integer({ min: 1024, max: 65535 }), (p, address, port) => {
      const block = blockOfPort(port);
      expect(port - firstPortOfBlock(block)).toBeGreaterThanOrEqual(0);
      expect(port - firstPortOfBlock(block)).toBeLessThan(16);
      const shard = shardOfOutside(p, address, port);
      const owned = Array.from({ length: BLOCKS_PER_SHARD }, (_, i) =>
        blockOfShard(shard, p, address, i),
      );
      expect(owned).toContain(block);
    }),
  );
});

test('the shards share out all blocks of an address, 63 each, none twice', () => {
  const address = Uint8Array.of(203, 0, 113, 5);
  const seen = new Set<number>();
  for (let shard = 0; shard < SHARDS; shard++) {
    for (let i = 0; i < BLOCKS_PER_SHARD; i++) {
      const block = blockOfShard(shard, 17, address, i);
      expect(shardOfBlock({ protocol: 17, address, block })).toBe(shard);
      seen.add(block);
    }
  }
  expect(seen.size).toBe(BLOCKS);
  expect(Math.max(...seen)).toBe(BLOCKS - 1);
});

test('well-known ports are in no block', () => {
  expect(isPoolPort(1023)).toBe(false);
  expect(isPoolPort(1024)).toBe(true);
  expect(isPoolPort(65535)).toBe(true);
});

test('neighbouring inside endpoints spread over the shards', () => {
  const counts = new Array<number>(SHARDS).fill(0);
  for (let port = 0; port < 6400; port++) {
    const address = Uint8Array.of(198, 18, 1, 10);
    counts[shardOfInside({ domain: 0, protocol: 6, address, port })]!++;
  }
  expect(Math.min(...counts)).toBeGreaterThan(60);
  expect(Math.max(...counts)).toBeLessThan(150);
});
