import { canonicalConfig } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { judgeChange } from './config-change.ts';
import { CONFORMANCE_CONFIG as config } from './conformance/harness.ts';

const stored = canonicalConfig(config);
const next = { ...config, version: config.version + 1 };

test('timeouts and limits may change, one version at a time', () => {
  const timeouts = { ...config.timeouts, udpMs: 120_000 };
  expect(judgeChange(stored, { ...next, timeouts, flowsPerEndpointMax: 7 })).toBeNull();
  expect(judgeChange(stored, { ...config, timeouts })).toEqual({
    kind: 'refused',
    problems: ['version: found 1, allowed: 2, one above the published'],
  });
  expect(judgeChange(stored, { ...next, version: 3, timeouts })?.kind).toBe('refused');
});

test('what is published already is no change, and without a deployment there is none', () => {
  expect(judgeChange(stored, config)).toEqual({ kind: 'unchanged' });
  expect(judgeChange(null, config)).toEqual({ kind: 'notInitialised' });
});

test.each([
  ['pool', { pool: ['203.0.113.0/29'] }],
  ['cacheLeaseMs', { cacheLeaseMs: 59_000 }],
  ['leaseMs', { leaseMs: 91_000 }],
  ['quarantineMs', { quarantineMs: 300_000 }],
  ['heartbeatMs', { heartbeatMs: 4_000 }],
  ['slack.clockSkewMs', { slack: { ...config.slack, clockSkewMs: 1_000 } }],
  ['minReplicas', { minReplicas: 1 }],
  ['bindingsPerSubscriberMax', { bindingsPerSubscriberMax: 0 }],
])('%s, which others rely on, may not: it is named', (field, change) => {
  const result = judgeChange(stored, { ...next, ...change });
  expect(result).toMatchObject({ kind: 'refused' });
  const { problems } = result as { problems: readonly string[] };
  expect(problems).toHaveLength(1);
  expect(problems[0]!.startsWith(`${field}: `)).toBe(true);
});

test('a limit on bindings may become another one', () => {
  expect(judgeChange(stored, { ...next, bindingsPerSubscriberMax: 7 })).toBeNull();
});
