import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AddressSet } from './address-set.ts';

test('holds what a Set holds, whether numbers come signed or not', () => {
  const address = fc.oneof(fc.nat(0xffffffff), fc.nat(300), fc.constant(0xffffffff));
  fc.assert(
    fc.property(fc.array(address, { maxLength: 200 }), fc.array(address), (inside, others) => {
      const set = new AddressSet(inside);
      const model = new Set(inside.filter((each) => each !== 0));
      for (const each of [...inside, ...others]) {
        expect(set.has(each)).toBe(model.has(each));
        expect(set.has(each | 0)).toBe(model.has(each));
      }
    }),
  );
});

test('nothing is in the empty set', () => {
  expect(new AddressSet([]).has(0)).toBe(false);
  expect(new AddressSet([]).has(1)).toBe(false);
});
