import { CLUSTER_DEFAULTS, type Endpoint, SHARDS, shardOfInside, UDP } from '@flowstore/flow';
import { FlowTable } from '@flowstore/flow-table';
import { expect, test } from 'vitest';
import { FlowCache, NEWS, PROVISIONAL, REPORTED, TOUCH_QUEUED } from './flow-cache.ts';

const config = { ...CLUSTER_DEFAULTS, pool: ['203.0.113.0/28'], insidePrefixes: ['198.18.0.0/16'] };

const stored = { identity: { generation: 1, nonce: 1 }, flags: 0, reset: false, lifeMs: 1e6 };

/** An empty cache, and the endpoints of a flow. */
function setUp() {
  const table = new FlowTable({ capacityMax: 4_096, seed: 1, nowMs: 0 });
  const cache = new FlowCache(table, config, () => 0);
  const address = Uint8Array.of(198, 18, 1, 10);
  const inside: Endpoint = { domain: 0, protocol: UDP, address, port: 5_000 };
  const outside = { address: Uint8Array.of(203, 0, 113, 1), port: 5_000 };
  return { table, cache, inside, outside };
}

test('a row knows its shard, whichever it is and whatever else it is marked with', () => {
  const { cache } = setUp();
  const seen = new Set<number>();
  for (let port = 1; seen.size < SHARDS; port++) {
    const address = Uint8Array.of(198, 18, 1, 10);
    const inside: Endpoint = { domain: 0, protocol: UDP, address, port };
    const outside = { address: Uint8Array.of(203, 0, 113, 1), port };
    const entry = { inside, outside, binding: stored, flow: null };
    const slot = cache.install(entry, null, 0, 0);
    cache.mark(slot, TOUCH_QUEUED | REPORTED | NEWS | PROVISIONAL);
    const shard = shardOfInside(inside);
    expect(cache.shardOf(slot)).toBe(shard);
    seen.add(shard);
  }
});

test('an answer that was overtaken by a later question’s makes no row older', () => {
  const { table, cache, inside, outside } = setUp();
  const entry = { inside, outside, binding: stored, flow: null };
  const slot = cache.install(entry, null, 400, 900);
  cache.install(entry, null, 100, 950);
  expect(table.confirmedMs(slot)).toBe(400);
  cache.install(entry, null, 500, 960);
  expect(table.confirmedMs(slot)).toBe(500);
});

test('a provisional flow that the store took is as old as the store’s word', () => {
  const { table, cache, inside, outside } = setUp();
  const slot = cache.installProvisional({ inside, remote: null, outside, nonce: 1 }, 0);
  expect(table.confirmedMs(slot)).toBe(Infinity);
  expect(table.confirmedMs(cache.adopt(slot, stored, 400, 900))).toBe(400);
});
