import { expect, test } from 'vitest';
import { decodeStun, encodeStun, newTransaction } from './stun.ts';

const mapped = { address: '192.0.2.1', port: 32_853 };
const none = { address: false, port: false };

test('a response reads as it was written', () => {
  const other = { address: '198.51.100.11', port: 3_479 };
  const message = { isRequest: false, transaction: newTransaction(), change: none, mapped, other };
  expect(decodeStun(encodeStun(message))).toEqual(message);
});

test('a request says what the answer is to come from', () => {
  const change = { address: true, port: false };
  const message = { isRequest: true, transaction: newTransaction(), change };
  expect(decodeStun(encodeStun(message))).toEqual(message);
});

test('an address is masked as in the test vector of RFC 5769 section 2.2', () => {
  const transaction = 'b7e7a701bc34d686fa87dfae';
  const bytes = encodeStun({ isRequest: false, transaction, change: none, mapped });
  expect(bytes.toString('hex', 20)).toBe('002000080001a147e112a643');
});

test('what is no STUN is nothing', () => {
  expect(decodeStun(Buffer.from('hello'))).toBeUndefined();
  expect(decodeStun(Buffer.alloc(40))).toBeUndefined();
});
