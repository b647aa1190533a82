import {
  blockOfPort,
  isPoolPort,
  SHARDS,
  shardOfInside,
  shardOfOutside,
  UDP,
} from '@flowstore/flow';
import { expect, test } from 'vitest';
import { FLOWS_PER_SHARD_MAX, flowsOfShard, numbersByShard } from './endpoints.ts';

test('sixteen addresses give a million ports per protocol', () => {
  expect(SHARDS * FLOWS_PER_SHARD_MAX).toBe(1_032_192);
});

test('both endpoints of a flow lie in its shard, and no two flows share a port', () => {
  const perShard = 600;
  const numbers = numbersByShard(UDP, perShard);
  const seen = new Set<string>();
  for (let shard = 0; shard < SHARDS; shard++) {
    for (const { inside, outside } of flowsOfShard(shard, UDP, numbers[shard]!)) {
      expect(shardOfInside(inside)).toBe(shard);
      expect(isPoolPort(outside.port)).toBe(true);
      expect(shardOfOutside(UDP, outside.address, outside.port)).toBe(shard);
      seen.add(`${outside.address} ${outside.port}`);
    }
  }
  expect(seen.size).toBe(SHARDS * perShard);
});

test('a batch of 64 comes from the few blocks that a gateway holds', () => {
  const numbers = numbersByShard(UDP, 64);
  const flows = flowsOfShard(3, UDP, numbers[3]!);
  const blocks = flows.map(({ outside }) => `${outside.address} ${blockOfPort(outside.port)}`);
  expect(new Set(blocks).size).toBeGreaterThan(8);
  expect(new Set(blocks).size).toBeLessThanOrEqual(16);
});
