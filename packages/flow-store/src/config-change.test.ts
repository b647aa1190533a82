import { readFileSync } from 'node:fs';
import { canonicalConfig } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { goingByBoth, judgeChange, shorterTimeouts, TTL_STEP_MS } from './config-change.ts';
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
  ['cacheLeaseMs', { cacheLeaseMs: 59_000 }],
  ['leaseMs', { leaseMs: 91_000 }],
  ['quarantineMs', { quarantineMs: 300_000 }],
  ['heartbeatMs', { heartbeatMs: 4_000 }],
  ['slack.clockSkewMs', { slack: { ...config.slack, clockSkewMs: 1_000 } }],
  ['minReplicas', { minReplicas: 1 }],
  ['filtering.udp', { filtering: { ...config.filtering, udp: 'address-dependent' as const } }],
  ['bindingsPerSubscriberMax', { bindingsPerSubscriberMax: 0 }],
])('%s, which others rely on, may not: it is named', (field, change) => {
  const result = judgeChange(stored, { ...next, ...change });
  expect(result).toMatchObject({ kind: 'refused' });
  const { problems } = result as { problems: readonly string[] };
  expect(problems).toHaveLength(1);
  expect(problems[0]!.startsWith(`${field}: `)).toBe(true);
});

test('whom TCP lets in and what refreshes a mapping may change: no record is made by it', () => {
  const filtering = { ...config.filtering, tcp: 'address-dependent' as const };
  const inboundRefresh = { tcp: false, udp: true, icmp: true };
  expect(judgeChange(stored, { ...next, filtering, inboundRefresh })).toBeNull();
  expect(goingByBoth(config, { ...next, inboundRefresh }).inboundRefresh).toEqual({
    tcp: true,
    udp: true,
    icmp: true,
  });
});

test('a limit on bindings may become another one', () => {
  expect(judgeChange(stored, { ...next, bindingsPerSubscriberMax: 7 })).toBeNull();
});

test('a flow may live longer by as much as its keys are sure to be there', () => {
  const longer = (ms: number) => ({ ...config.timeouts, udpMs: config.timeouts.udpMs + ms });
  const spareMs = config.ttlMarginMs - TTL_STEP_MS;
  const most = Math.floor((spareMs * 3) / 4);
  expect(judgeChange(stored, { ...next, timeouts: longer(most) })).toBeNull();
  const refused = judgeChange(stored, { ...next, timeouts: longer(most + 3) });
  expect(refused).toMatchObject({ problems: [expect.stringMatching(/^timeouts.udpMs: .*TTL/)] });
  const lua = readFileSync(new URL('./redis/lua/parts/entry.lua', import.meta.url), 'utf8');
  expect(lua).toContain(`local TTL_STEP_MS = ${TTL_STEP_MS}\n`);
});

test('going by both breaks neither promise', () => {
  const other = {
    ...next,
    insidePrefixes: ['198.18.0.0/16', '192.0.2.0/24'],
    timeouts: { ...config.timeouts, udpMs: 200_000, icmpMs: 70_000 },
    flowsPerEndpointMax: 7,
    newBindingsPerSubscriberPerSMax: 9,
  };
  const both = goingByBoth(config, other);
  expect(both.timeouts).toMatchObject({ udpMs: 300_000, icmpMs: 70_000 });
  expect(shorterTimeouts(config, other)).toMatchObject({ udpMs: 200_000, icmpMs: 60_000 });
  expect(both.flowsPerEndpointMax).toBe(4);
  expect(both.newBindingsPerSubscriberPerSMax).toBe(9);
  expect(both.insidePrefixes).toEqual(expect.arrayContaining(other.insidePrefixes));
});
