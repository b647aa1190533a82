/** Rules that contradict each other are refused, naming what, where, and what is allowed. */
import { readFileSync } from 'node:fs';
import { CLUSTER_DEFAULTS } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { clusterSchema } from './cluster-schema.ts';
import { problemLines } from './config-problems.ts';

const GOOD = { pool: ['203.0.113.0/28'], insidePrefixes: ['198.18.0.0/16'] };
const forward = (outside: string, inside: string, more = {}) => ({
  protocol: 'tcp',
  outside,
  inside,
  ...more,
});
const WEB = forward('203.0.113.5:8080-8089', '198.18.1.10:80-89');

function problems(rules: object): string[] {
  const value = { ...GOOD, ...rules };
  const result = clusterSchema.safeParse(value);
  if (result.success) return [];
  return problemLines(clusterSchema, value, result.error.issues, () => 'f');
}

test('the examples of docs/configuration.md are right, and so is all of them together', () => {
  const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => parse(text!));
  expect(blocks.length).toBeGreaterThan(6);
  for (const block of blocks) expect(problems(block)).toEqual([]);
});

test('rules are written in one form, so that equal configurations hash alike', () => {
  const parsed = clusterSchema.parse({
    ...GOOD,
    pool: ['203.0.113.4 - 203.0.113.9'.replaceAll(' ', ''), '203.0.113.1'],
    portForwards: [forward('203.0.113.5:8080-8080', '198.18.1.10:80')],
    oneToOne: [{ outside: '203.0.113.64', inside: '198.18.1.20/32' }],
  });
  expect(parsed).toEqual({
    ...CLUSTER_DEFAULTS,
    ...GOOD,
    pool: ['203.0.113.4-203.0.113.9', '203.0.113.1/32'],
    portForwards: [forward('203.0.113.5:8080', '198.18.1.10:80', { domain: 0 })],
    oneToOne: [{ outside: '203.0.113.64/32', inside: '198.18.1.20/32', domain: 0 }],
  });
});

test('the same inside addresses and ports may be in two domains', () => {
  const domains = [{ domain: 7, insidePrefixes: ['198.18.1.0/24'] }];
  const other = forward('203.0.113.6:8080-8089', '198.18.1.10:80-89', { domain: 7 });
  expect(problems({ domains, portForwards: [WEB, other] })).toEqual([]);
});

test.each([
  ['203.0.113.5:80-79', 'cluster.', 'the ports of "203.0.113.5:80-79" are not 1 to 65535 in order'],
  ['203.0.113.5:0', 'cluster.', 'are not 1 to 65535'],
  ['203.0.113.5:70000', 'cluster.', 'are not 1 to 65535'],
  ['203.0.113.5', 'cluster.', 'is not address:port or address:first-last'],
  ['203.0.113.300:80', 'cluster.', 'is not an IPv4 or IPv6 address'],
])('a forward of %j is refused', (outside, _, reason) => {
  const [line, ...others] = problems({ portForwards: [forward(outside, '198.18.1.10:80')] });
  expect(others).toEqual([]);
  const start = `f: portForwards[0].outside: found "${outside}", allowed: an IPv4 address with`;
  expect(line!.startsWith(start)).toBe(true);
  expect(line).toContain(reason);
});

test('a protocol, and sides of different size, are named', () => {
  const icmp = { ...WEB, protocol: 'icmp' };
  expect(problems({ portForwards: [icmp] })).toEqual([
    'f: portForwards[0].protocol: found "icmp", allowed: one of tcp, udp',
  ]);
  const uneven = forward('203.0.113.5:8080-8089', '198.18.1.10:80-88');
  expect(problems({ portForwards: [uneven] })).toEqual([
    'f: portForwards[0]: found a map, allowed: ' +
      'a rule of two equal sides (outside and inside must have as many ports)',
  ]);
  const wide = { outside: '203.0.113.64/30', inside: '198.18.1.20' };
  expect(problems({ oneToOne: [wide] })[0]).toContain('must have as many addresses');
});

const OVERLAPS = 'f: portForwards[1].outside: found "203.0.113.5:8089", allowed: what no other ';

test('two rules never have one outside endpoint, whatever their domains and kinds', () => {
  const next = forward('203.0.113.5:8089', '198.18.1.11:80');
  expect(problems({ portForwards: [WEB, next] })).toEqual([
    `${OVERLAPS}rule has outside (portForwards[0] has 203.0.113.5:8080-8089)`,
  ]);
  expect(problems({ portForwards: [WEB, { ...next, protocol: 'udp' }] })).toEqual([]);
  const oneToOne = [{ outside: '203.0.113.4-203.0.113.5', inside: '198.18.1.20/31' }];
  expect(problems({ portForwards: [WEB], oneToOne })).toEqual([
    'f: portForwards[0].outside: found "203.0.113.5:8080-8089", allowed: what no other rule has ' +
      'outside (oneToOne[0] has 203.0.113.4-203.0.113.5)',
  ]);
});

test('an inside endpoint is translated by one rule, since its answers have one source', () => {
  const again = forward('203.0.113.6:80', '198.18.1.10:80');
  expect(problems({ portForwards: [WEB, again] })).toEqual([
    'f: portForwards[1].inside: found "198.18.1.10:80", allowed: what no other rule has inside ' +
      '(portForwards[0] has 198.18.1.10:80-89)',
  ]);
});

test('outside is beside the inside networks, inside is within those of the domain', () => {
  expect(problems({ portForwards: [forward('198.18.9.9:80', '192.0.2.1:80')] })).toEqual([
    'f: portForwards[0].outside: found "198.18.9.9:80", allowed: an address outside of ' +
      'insidePrefixes (198.18.0.0/16 has it)',
    'f: portForwards[0].inside: found "192.0.2.1:80", allowed: addresses that domain 0 serves ' +
      '(198.18.0.0/16)',
  ]);
});

test('a pool keeps an address that no one-to-one rule takes', () => {
  const oneToOne = [{ outside: '203.0.113.0/28', inside: '198.18.1.0/28' }];
  expect(problems({ oneToOne })).toEqual([
    'f: pool: found a list of 1, allowed: an address or more that no oneToOne rule takes',
  ]);
});

test('a destination without NAT is none of the outside addresses', () => {
  expect(problems({ noNat: [{ destination: '203.0.113.0/24' }] })).toEqual([
    'f: noNat[0].destination: found "203.0.113.0/24", allowed: a prefix beside the pools ' +
      '(203.0.113.0/28)',
  ]);
  const portForwards = [forward('192.0.2.5:80', '198.18.1.10:80')];
  expect(problems({ portForwards, noNat: [{ destination: '192.0.2.0/24' }] })[0]).toContain(
    "a prefix beside the rules' outside addresses (192.0.2.5:80)",
  );
});

test('4787-7: outside and inside addresses that overlap are refused, of every domain', () => {
  const domains = [{ domain: 7, insidePrefixes: ['10.0.0.0/24'] }];
  const pools = [{ addresses: ['10.0.0.9'], insidePrefixes: [], domain: 0 }];
  expect(problems({ domains, pools })).toEqual([
    'f: pools[0].addresses[0]: found "10.0.0.9", allowed: prefixes outside of insidePrefixes ' +
      '(10.0.0.0/24 overlaps)',
  ]);
});

test('pools and domains that contradict each other are refused', () => {
  const pool = { addresses: ['203.0.113.16/28'], insidePrefixes: ['198.18.2.0/24'] };
  expect(problems({ pools: [pool, { ...pool, addresses: ['203.0.113.20'] }] })).toEqual([
    'f: pools[1].addresses[0]: found "203.0.113.20", allowed: prefixes that share no address ' +
      '(this one and 203.0.113.16/28 do)',
    'f: pools[1].insidePrefixes: found a list of 1, allowed: one pool per domain and inside ' +
      'prefix (198.18.2.0/24 has another one)',
  ]);
  const domains = [7, 7].map((domain) => ({ domain, insidePrefixes: ['10.0.0.0/24'] }));
  expect(problems({ domains })).toEqual([
    'f: domains[1].domain: found 7, allowed: each domain once, and not 0',
  ]);
  expect(problems({ pools: [{ ...pool, domain: 9 }] })).toEqual([
    'f: pools[0].domain: found 9, allowed: a domain of the list "domains", or 0 (found: 0)',
  ]);
});

test('the number of rules has a limit', () => {
  const noNat = Array.from({ length: 65 }, (_, i) => ({ destination: `192.0.2.${i}` }));
  expect(problems({ noNat })[0]).toContain('allowed: a list of up to 64 destinations');
});
