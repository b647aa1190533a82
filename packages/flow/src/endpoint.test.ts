import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAddress } from './address.ts';
import {
  endpointEquals,
  formatEndpoint,
  packEndpoint,
  packSocketAddress,
  unpackEndpoint,
  unpackSocketAddress,
} from './endpoint.ts';
import { anyEndpoint, anySocketAddress } from './testing/arbitraries.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('endpoints and socket addresses survive packing', () => {
  fc.assert(
    fc.property(anyEndpoint, anySocketAddress, (endpoint, peer) => {
      expect(unpackEndpoint(packEndpoint(endpoint))).toEqual(endpoint);
      expect(unpackSocketAddress(packSocketAddress(peer))).toEqual(peer);
    }),
  );
});

test('two different endpoints never pack to the same bytes', () => {
  fc.assert(
    fc.property(anyEndpoint, anyEndpoint, (a, b) => {
      expect(hex(packEndpoint(a)) === hex(packEndpoint(b))).toBe(endpointEquals(a, b));
    }),
  );
});

test('bytes of neither family are refused', () => {
  expect(() => unpackEndpoint(new Uint8Array(11))).toThrow('10 or 22');
  expect(() => unpackSocketAddress(new Uint8Array(7))).toThrow('6 or 18');
});

test('endpoints read as people write them', () => {
  const endpoint = { domain: 0, protocol: 17, address: parseAddress('198.18.1.10'), port: 53 };
  expect(formatEndpoint(endpoint)).toBe('udp 198.18.1.10:53');
  const six = { domain: 7, protocol: 6, address: parseAddress('2001:db8::1'), port: 80 };
  expect(formatEndpoint(six)).toBe('domain 7 tcp [2001:db8::1]:80');
});
