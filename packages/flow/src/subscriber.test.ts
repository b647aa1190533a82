import { expect, test } from 'vitest';
import { parseAddress } from './address.ts';
import { packSubscriber } from './subscriber.ts';

const hex = (domain: number, address: string) =>
  Buffer.from(packSubscriber({ domain, address: parseAddress(address) })).toString('hex');

test('a subscriber packs to its domain and its address', () => {
  expect(hex(0x010203, '198.18.1.10')).toBe('010203c612010a');
  expect(hex(0, '2001:db8::10')).toBe(`000000${'20010db8'.padEnd(30, '0')}10`);
});
