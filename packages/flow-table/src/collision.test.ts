/**
 * Two keys of one 32-bit hash are two keys all the same. Such pairs are looked for: of 300,000 keys
 * some ten pairs share a hash. (Keys that differ in one word alone never do: each step of the hash
 * is a bijection of its word.)
 */
import { expect, test } from 'vitest';
import { FlowTable } from './flow-table.ts';
import { KeyHash } from './key-hash.ts';
import { NONE } from './none.ts';
import { flowOf, inboundKey, outboundKey, put, START_MS } from './testing.ts';

const SEED = 4;
const KEYS = 300_000;

/** The numbers of two keys with the same hash. */
function collidingPair(hashOf: (n: number) => number): [number, number] {
  const numbers = new Map<number, number>();
  for (let n = 0; n < KEYS; n++) {
    const hash = hashOf(n);
    const earlier = numbers.get(hash);
    if (earlier !== undefined) return [earlier, n];
    numbers.set(hash, n);
  }
  throw new Error('no pair');
}

const hash = new KeyHash(SEED);
const newTable = () => new FlowTable({ capacityMax: 8, seed: SEED, nowMs: START_MS });

test.each([
  ['outbound', outboundKey],
  ['inbound', inboundKey],
])('%s keys of IPv4', (_, keyOf) => {
  const flow = (n: number) =>
    flowOf(n, {
      remoteAddress: Math.imul(n, 0x9e3779b1) >>> 0,
      outsideAddress: Math.imul(n, 0x85ebca77) >>> 0,
    });
  const [a, b] = collidingPair((n) => hash.of(...keyOf(flow(n))));
  const table = newTable();
  const first = put(table, flow(a)).slot;
  expect(table.find(...keyOf(flow(b)), START_MS)).toBe(NONE);
  const second = put(table, flow(b));
  expect(second.kind).toBe('inserted');
  expect(table.find(...keyOf(flow(a)), START_MS)).toBe(first);
  expect(table.find(...keyOf(flow(b)), START_MS)).toBe(second.slot);
  table.remove(first);
  expect(table.find(...keyOf(flow(a)), START_MS)).toBe(NONE);
  expect(table.find(...keyOf(flow(b)), START_MS)).toBe(second.slot);
});

test('keys of IPv6', () => {
  const addressOf = (n: number) => {
    const address = new Uint8Array(16).fill(0x20);
    new DataView(address.buffer).setUint32(12, Math.imul(n, 0x9e3779b1));
    new DataView(address.buffer).setUint32(4, n);
    return address;
  };
  const remoteAddress = addressOf(1);
  const flow = (n: number) => ({
    ...flowOf(n, { insidePort: 1, outsidePort: n & 0xffff }),
    insideAddress: addressOf(n),
    remoteAddress,
    outsideAddress: addressOf(n),
  });
  const key = new Uint32Array(10);
  const keyOf = (n: number) => {
    const [inside, remote] = [addressOf(n), remoteAddress].map(
      (bytes) => new DataView(bytes.buffer),
    );
    key[0] = 6;
    for (let i = 0; i < 4; i++) {
      key[1 + i] = inside!.getUint32(i * 4);
      key[5 + i] = remote!.getUint32(i * 4);
    }
    key[9] = (1 << 16) | 443;
    return key;
  };
  const [a, b] = collidingPair((n) => hash.of6(keyOf(n)));
  const table = newTable();
  expect(table.put6(flow(a), START_MS).kind).toBe('inserted');
  expect(table.find6(keyOf(b), START_MS)).toBe(NONE);
  expect(table.put6(flow(b), START_MS).kind).toBe('inserted');
  expect(table.find6(keyOf(a), START_MS)).toBe(1);
  expect(table.find6(keyOf(b), START_MS)).toBe(2);
});
