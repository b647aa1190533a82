import { expect, test } from 'vitest';
import { brokenRelations, CLUSTER_DEFAULTS, canonicalConfig } from './cluster-config.ts';

const config = { ...CLUSTER_DEFAULTS, pool: ['203.0.113.0/28'], insidePrefixes: ['198.18.0.0/16'] };

test('the defaults keep the relations that the invariants rest on', () => {
  expect(brokenRelations(config)).toEqual([]);
});

test('a cache lease that outlives the quarantine, or the grace, is named', () => {
  expect(brokenRelations({ ...config, cacheLeaseMs: 130_000, leaseMs: 200_000 })).toEqual([
    expect.stringContaining('cacheLeaseMs (130000)'),
  ]);
  expect(brokenRelations({ ...config, leaseMs: 64_000 })).toEqual([
    expect.stringContaining('must not exceed leaseMs (64000)'),
  ]);
});

test('a lease that a lost renewal ends, and a slow heartbeat, are named', () => {
  expect(brokenRelations({ ...config, leaseMs: 10_000 })).toHaveLength(2);
  expect(brokenRelations({ ...config, heartbeatMs: 25_000 })).toHaveLength(1);
});

test('the order in which a configuration was written does not matter', () => {
  const reversed = Object.fromEntries(Object.entries(config).reverse());
  expect(canonicalConfig(reversed as unknown as typeof config)).toBe(canonicalConfig(config));
  expect(canonicalConfig({ ...config, version: 2 })).not.toBe(canonicalConfig(config));
});
