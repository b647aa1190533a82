import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAddress, ipv4FromNumber, ipv4ToNumber, parseAddress } from './address.ts';
import { formatPrefix, parsePrefix, prefixContains, prefixesOverlap } from './prefix.ts';
import { anyAddress, anyIpv4 } from './testing/arbitraries.ts';

test('an address survives its text, in both families', () => {
  fc.assert(
    fc.property(anyAddress, (a) => {
      expect(parseAddress(formatAddress(a))).toEqual(a);
    }),
  );
});

test('IPv6 text follows RFC 5952', () => {
  for (const [input, output] of [
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['1::', '1::'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ] as const) {
    expect(formatAddress(parseAddress(input))).toBe(output);
  }
});

test('the packet path has the same IPv4 address as a number', () => {
  fc.assert(
    fc.property(anyIpv4, (a) => {
      expect(ipv4FromNumber(ipv4ToNumber(a))).toEqual(a);
    }),
  );
});

test('what is no address or prefix is refused by its text', () => {
  expect(() => parseAddress('198.18.1')).toThrow('"198.18.1"');
  expect(() => parsePrefix('203.0.113.0/33')).toThrow('0 to 32');
  expect(() => parsePrefix('203.0.113.1/28')).toThrow('beyond its length');
  expect(() => parsePrefix('203.0.113.0/2x')).toThrow(TypeError);
});

test('a prefix contains its addresses and no other', () => {
  const prefix = parsePrefix('203.0.113.16/28');
  expect(formatPrefix(prefix)).toBe('203.0.113.16/28');
  expect(prefixContains(prefix, parseAddress('203.0.113.31'))).toBe(true);
  expect(prefixContains(prefix, parseAddress('203.0.113.32'))).toBe(false);
  expect(prefixContains(prefix, parseAddress('::1'))).toBe(false);
  expect(prefixesOverlap(prefix, parsePrefix('203.0.113.0/24'))).toBe(true);
  expect(prefixesOverlap(prefix, parsePrefix('203.0.113.0/28'))).toBe(false);
});
