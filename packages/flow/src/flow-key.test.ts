import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packFlowKey, reverseFlowKey, unpackFlowKey } from './flow-key.ts';
import { anyFlowKey } from './testing/arbitraries.ts';

const text = (words: Uint32Array) => words.join();

test('a flow key survives packing, in both families', () => {
  fc.assert(
    fc.property(anyFlowKey, (key) => {
      expect(unpackFlowKey(packFlowKey(key))).toEqual(key);
    }),
  );
});

test('two different keys never pack to the same words', () => {
  fc.assert(
    fc.property(anyFlowKey, anyFlowKey, (a, b) => {
      const same = JSON.stringify(unpackFlowKey(packFlowKey(a))) === JSON.stringify(b);
      expect(text(packFlowKey(a)) === text(packFlowKey(b))).toBe(same);
    }),
  );
});

test('changing any one field changes the words', () => {
  fc.assert(
    fc.property(anyFlowKey, fc.nat(5), (key, field) => {
      const flip = (address: Uint8Array) => address.with(0, address[0]! ^ 1);
      const changed = [
        { ...key, domain: key.domain ^ 1 },
        { ...key, protocol: key.protocol ^ 1 },
        { ...key, source: flip(key.source) },
        { ...key, sourcePort: key.sourcePort ^ 1 },
        { ...key, destination: flip(key.destination) },
        { ...key, destinationPort: key.destinationPort ^ 1 },
      ][field]!;
      expect(text(packFlowKey(changed))).not.toBe(text(packFlowKey(key)));
    }),
  );
});

test('a port-swapped key is a different key', () => {
  const key = {
    domain: 0,
    protocol: 17,
    source: Uint8Array.of(198, 18, 1, 10),
    sourcePort: 1000,
    destination: Uint8Array.of(198, 18, 1, 10),
    destinationPort: 2000,
  };
  expect(text(packFlowKey(reverseFlowKey(key)))).not.toBe(text(packFlowKey(key)));
});

test('addresses of two families in one key are refused', () => {
  const key = unpackFlowKey(new Uint32Array(4));
  expect(() => packFlowKey({ ...key, source: new Uint8Array(16) })).toThrow(RangeError);
  expect(() => unpackFlowKey(new Uint32Array(5))).toThrow('4 or 10 words');
});
