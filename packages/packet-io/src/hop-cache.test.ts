import { describe, expect, test } from 'vitest';
import { createFrameMemory, VNET_BYTES } from './frame.ts';
import { CACHE_MAX, HOP_FRESH, HOP_UNRESOLVED, HOPS_MAX, HopCache } from './hop-cache.ts';
import { neighbourKey } from './netlink/mirror.ts';

const SOURCE = { high: 0x02aabbcc, low: 0xddee };
const DIRECT = { index: 3, gateway: 0, weight: 1 };

describe('the cache of next hops', () => {
  test('writes both MACs and the ethertype in front of the IP packet', () => {
    const cache = new HopCache();
    const { hop } = cache.hopFor({ index: 3, gateway: 9, weight: 1 }, 1234, SOURCE);
    cache.setNeighbour(neighbourKey(3, 9), HOP_FRESH, { high: 0xf2f3f4f5, low: 0xf6f7 });
    const { bytes, view } = createFrameMemory(64);
    cache.writeHeader(view, 4, hop);
    expect(Buffer.from(bytes.subarray(4, 34)).toString('hex')).toBe(
      `${'00'.repeat(VNET_BYTES)}f2f3f4f5f6f702aabbccddee0800${'00'.repeat(6)}`,
    );
  });

  test('destinations behind one gateway share its hop; on the link each has its own', () => {
    const cache = new HopCache();
    const gateway = { index: 3, gateway: 9, weight: 1 };
    expect(cache.hopFor(gateway, 100, SOURCE)).toEqual({ hop: 0, isNew: true });
    expect(cache.hopFor(gateway, 101, SOURCE)).toEqual({ hop: 0, isNew: false });
    expect(cache.hopFor(DIRECT, 100, SOURCE)).toEqual({ hop: 1, isNew: true });
    expect(cache.addresses[1]).toBe(100);
  });

  test('remembers destinations, also those that lead nowhere', () => {
    const cache = new HopCache();
    expect(cache.find(0)).toBe(undefined);
    cache.remember(0, 5);
    cache.remember(0xc6120001, -1);
    expect(cache.find(0)).toBe(5);
    expect(cache.find(0xc6120001)).toBe(-1);
    expect(cache.find(0xc6120001 | 0)).toBe(-1);
    cache.clear();
    expect(cache.find(0)).toBe(undefined);
  });

  test('one that collides replaces the older, and is never mistaken for it', () => {
    const cache = new HopCache();
    for (let destination = 0; destination < 4 * CACHE_MAX; destination++) {
      cache.remember(destination, destination % HOPS_MAX);
    }
    let found = 0;
    for (let destination = 0; destination < 4 * CACHE_MAX; destination++) {
      const hop = cache.find(destination);
      if (hop === undefined) continue;
      expect(hop).toBe(destination % HOPS_MAX);
      found++;
    }
    expect(found).toBeLessThanOrEqual(CACHE_MAX);
    expect(found).toBeGreaterThan(CACHE_MAX / 2);
  });

  test('a neighbour that goes away makes its hop unresolved', () => {
    const cache = new HopCache();
    const { hop } = cache.hopFor(DIRECT, 100, SOURCE);
    expect(cache.states[hop]).toBe(HOP_UNRESOLVED);
    cache.setNeighbour(neighbourKey(3, 100), HOP_FRESH, SOURCE);
    expect(cache.states[hop]).toBe(HOP_FRESH);
    cache.setNeighbour(neighbourKey(3, 100), HOP_FRESH, undefined);
    expect(cache.states[hop]).toBe(HOP_UNRESOLVED);
    cache.setNeighbour(neighbourKey(4, 100), HOP_FRESH, SOURCE);
    expect(cache.states[hop]).toBe(HOP_UNRESOLVED);
  });

  test('the limit on hops: all are forgotten, with the destinations that led to them', () => {
    const cache = new HopCache();
    for (let k = 0; k < HOPS_MAX; k++) cache.hopFor(DIRECT, k + 1, SOURCE);
    cache.remember(1, 0);
    expect(cache.hopFor(DIRECT, HOPS_MAX + 1, SOURCE)).toEqual({ hop: 0, isNew: true });
    expect(cache.find(1)).toBe(undefined);
    expect(cache.flushes).toBe(1);
  });
});
