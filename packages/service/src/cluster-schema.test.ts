import { CLUSTER_DEFAULTS } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { clusterSchema } from './cluster-schema.ts';
import type { ConfigError } from './config-error.ts';
import { ENV_PREFIX, loadConfig } from './load-config.ts';
import { configFile } from './testing/config-file.ts';

const GOOD = { pool: ['203.0.113.0/28'], insidePrefixes: ['198.18.0.0/16'] };
const RANGE = 'an IPv4 prefix such as 203.0.113.0/28, or a range such as 203.0.113.4-203.0.113.9';

function problems(cluster: unknown): string[] {
  const file = configFile(JSON.stringify({ cluster }));
  try {
    loadConfig(z.strictObject({ cluster: clusterSchema }), {
      file,
      env: {},
      envPrefix: ENV_PREFIX,
    });
  } catch (error) {
    return (error as ConfigError).problems.map((line) => line.replace(`${file}:1: `, ''));
  }
  return [];
}

test('pool and inside prefixes are enough, the rest has the defaults of the cluster', () => {
  expect(clusterSchema.parse(GOOD)).toEqual({ ...CLUSTER_DEFAULTS, ...GOOD });
});

test('a partly given map keeps the other defaults', () => {
  const { timeouts, slack } = clusterSchema.parse({ ...GOOD, timeouts: { udpMs: 200_000 } });
  expect(timeouts).toEqual({ ...CLUSTER_DEFAULTS.timeouts, udpMs: 200_000 });
  expect(slack).toEqual(CLUSTER_DEFAULTS.slack);
});

test('prefixes get their canonical form, so that equal configurations hash alike', () => {
  expect(clusterSchema.parse({ ...GOOD, pool: ['203.0.113.5'] }).pool).toEqual(['203.0.113.5/32']);
});

test.each([
  ['203.0.113.0/33', 'the length must be 0 to 32'],
  ['203.0.113.1/28', 'bits set beyond its length'],
  ['203.0.113/28', 'is not an IPv4 or IPv6 address'],
  ['2001:db8::/32', 'IPv6 is not supported yet'],
])('a prefix like %j is refused with its path and reason', (prefix, reason) => {
  const [line, ...others] = problems({ ...GOOD, pool: ['203.0.113.0/28', prefix] });
  expect(others).toEqual([]);
  const allowed = RANGE;
  const start = `cluster.pool[1]: found "${prefix}", allowed: ${allowed} (`;
  expect(line?.startsWith(start)).toBe(true);
  expect(line).toContain(reason);
});

test('a pool address of another type, and an empty pool, are refused', () => {
  expect(problems({ ...GOOD, pool: [7] })).toEqual([`cluster.pool[0]: found 7, allowed: ${RANGE}`]);
  expect(problems({ ...GOOD, pool: [] })).toEqual([
    'cluster.pool: found a list of 0, allowed: a list of 1 to 256 prefixes such as 203.0.113.0/28',
  ]);
});

test('pool and inside prefixes must not overlap (RFC 4787 REQ-7)', () => {
  expect(problems({ ...GOOD, pool: ['198.18.7.0/28'] })).toEqual([
    'cluster.pool[0]: found "198.18.7.0/28", ' +
      'allowed: prefixes outside of insidePrefixes (198.18.0.0/16 overlaps)',
  ]);
});

test('pool prefixes must not overlap each other', () => {
  expect(problems({ ...GOOD, pool: ['203.0.113.0/28', '203.0.113.4'] })).toEqual([
    'cluster.pool[1]: found "203.0.113.4", ' +
      'allowed: prefixes that share no address (this one and 203.0.113.0/28 do)',
  ]);
});

test('the pool has a limit', () => {
  expect(problems({ ...GOOD, pool: ['203.0.0.0/16'] })).toEqual([]);
  expect(problems({ ...GOOD, pool: ['203.0.0.0/16', '192.0.2.1'] })).toEqual([
    'cluster.pool: found a list of 2, allowed: up to 65536 addresses in all, not 65537',
  ]);
});

test('each broken relation between the figures is a problem', () => {
  const lines = problems({ ...GOOD, cacheLeaseMs: 120_000, heartbeatMs: 50_000 });
  expect(lines).toEqual([
    expect.stringContaining('cacheLeaseMs (120000) plus slack.clockSkewMs (5000) must be below'),
    expect.stringContaining('heartbeatMs (50000) must be at most a sixth'),
    expect.stringContaining('must not exceed leaseMs (90000)'),
    expect.stringContaining('leaseMs (90000) must exceed'),
  ]);
});

test('unknown settings and durations out of range are refused', () => {
  expect(problems({ ...GOOD, leaseS: 90, timeouts: { udpMs: -1 } })).toEqual([
    'cluster.timeouts.udpMs: found -1, allowed: a whole number from 1 to 604800000',
    expect.stringMatching(/^cluster.leaseS: found a setting that does not exist, allowed: only /),
  ]);
});

const FLOORS = [
  ['tcpEstablishedMs', 7_440_000, 'RFC 5382 REQ-5'],
  ['tcpTransitoryMs', 240_000, 'RFC 5382 REQ-5'],
  ['tcpClosingMs', 240_000, 'RFC 5382 REQ-5'],
  ['udpMs', 120_000, 'RFC 4787 REQ-5'],
  ['icmpMs', 60_000, 'RFC 5508 REQ-2'],
] as const;

test.each(FLOORS)('4787-5b 5382-5a 5508-2a: %s may be changed, down to %d', (name, floorMs) => {
  const timeouts = { [name]: floorMs };
  expect(problems({ ...GOOD, timeouts })).toEqual([]);
  expect(clusterSchema.parse({ ...GOOD, timeouts }).timeouts[name]).toBe(floorMs);
});

test.each(FLOORS)('4787-5 5382-5 5508-2: %s is not below %d unless that is said', (...floor) => {
  const [name, floorMs, rfc] = floor;
  const below = { ...GOOD, timeouts: { [name]: floorMs - 1 } };
  expect(problems(below)).toEqual([
    `cluster.timeouts.${name}: found ${floorMs - 1}, allowed: ` +
      `${floorMs} or more (${rfc}), or less with allowBelowRfcFloors: true`,
  ]);
  expect(problems({ ...below, allowBelowRfcFloors: true })).toEqual([]);
});

test('filtering is one of three, by protocol, endpoint-independent unless said', () => {
  const { filtering } = clusterSchema.parse({ ...GOOD, filtering: { udp: 'address-dependent' } });
  expect(filtering).toEqual({ udp: 'address-dependent', tcp: 'endpoint-independent' });
  expect(problems({ ...GOOD, filtering: { tcp: 'none' } })).toEqual([
    'cluster.filtering.tcp: found "none", allowed: one of endpoint-independent, ' +
      'address-dependent, address-and-port-dependent',
  ]);
});

test('7857-2.1: a connection closes as long as it opens, unless that is said', () => {
  const closingMs = (timeouts: object) =>
    clusterSchema.parse({ ...GOOD, timeouts }).timeouts.tcpClosingMs;
  expect(closingMs({})).toBe(240_000);
  expect(closingMs({ tcpTransitoryMs: 300_000 })).toBe(300_000);
  expect(closingMs({ tcpTransitoryMs: 300_000, tcpClosingMs: 250_000 })).toBe(250_000);
});
