import { CLUSTER_DEFAULTS, canonicalConfig } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { readCluster } from './read-cluster.ts';

const CONFIG = {
  ...CLUSTER_DEFAULTS,
  pool: ['203.0.113.0/28'],
  insidePrefixes: ['198.18.0.0/16'],
};

test('what was published is read as it was', () => {
  expect(readCluster(canonicalConfig(CONFIG))).toEqual({ config: CONFIG });
});

test.each([
  ['no JSON', '{', /published: not readable/],
  ['a setting of a later release', JSON.stringify({ ...CONFIG, novelty: 1 }), /novelty.*not exist/],
  ['a wrong figure', JSON.stringify({ ...CONFIG, ttlMarginMs: -1 }), /ttlMarginMs: found -1/],
  ['a broken relation', JSON.stringify({ ...CONFIG, quarantineMs: 1 }), /quarantineMs \(1\)/],
])('%s is named', (_what, text, problem) => {
  expect(readCluster(text)).toEqual({ problems: [expect.stringMatching(problem)] });
});
