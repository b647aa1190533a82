import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FlowIndex, PREFETCH_MAX } from './flow-index.ts';
import { KeyHash } from './key-hash.ts';
import { NONE } from './none.ts';
import { type FlowKeys, Rows } from './rows.ts';
import { flowOf, inboundKey, outboundKey } from './testing.ts';

class Rig {
  readonly rows: Rows;
  readonly index: FlowIndex;

  constructor(flowsMax: number, seed = 3) {
    this.rows = new Rows(flowsMax + 1);
    this.index = new FlowIndex(this.rows, flowsMax, seed);
  }

  insert(slot: number, n: number): void {
    this.insertKeys(slot, flowOf(n));
  }

  insertKeys(slot: number, keys: FlowKeys): void {
    this.rows.write(slot, keys);
    this.index.seek(keys);
    this.index.insert(slot, this.index.insideHash, this.index.outsideHash);
  }

  find(n: number): number {
    const outbound = this.index.find(...outboundKey(flowOf(n)));
    expect(this.index.find(...inboundKey(flowOf(n)))).toBe(outbound);
    return outbound;
  }
}

describe('the index', () => {
  test('grows by a few entries per insert, and finds every key at every step of it', () => {
    const flows = 4_000;
    const rig = new Rig(flows);
    const sizes = new Set<number>();
    let growing = 0;
    for (let slot = 1; slot <= flows; slot++) {
      rig.insert(slot, slot);
      sizes.add(rig.index.size);
      expect(rig.index.find(...outboundKey(flowOf(slot + 1)))).toBe(NONE);
      if (!rig.index.isGrowing) continue;
      growing++;
      let lost = 0;
      for (let n = 1; n <= slot; n++) {
        const flow = flowOf(n);
        if (rig.index.find(...outboundKey(flow)) !== n) lost++;
        if (rig.index.find(...inboundKey(flow)) !== n) lost++;
      }
      expect(lost).toBe(0);
    }
    expect(sizes.size).toBe(9);
    expect(growing).toBeGreaterThan(100);
    expect(growing).toBeLessThan(1_000);
    for (let slot = 1; slot <= flows; slot++) expect(rig.find(slot)).toBe(slot);
  });

  test('finds what it should and nothing else, whatever comes, goes and moves', () => {
    const operations = fc.array(
      fc.record({
        inserts: fc.boolean(),
        n: fc.nat(1_500),
        times: fc.integer({ min: 1, max: 60 }),
      }),
      { maxLength: 60 },
    );
    const run = fc.property(operations, fc.nat(), (list, seed) => {
      const rig = new Rig(2_000, seed);
      const held = new Map<number, number>();
      const free = Array.from({ length: 2_000 }, (_, i) => 2_000 - i);
      for (const { inserts, n: first, times } of list) {
        for (let n = first; n < first + times; n++) {
          const slot = held.get(n);
          if (inserts && slot === undefined) {
            const taken = free.pop()!;
            rig.insert(taken, n);
            held.set(n, taken);
          } else if (!inserts && slot !== undefined) {
            rig.index.remove(slot);
            held.delete(n);
            free.push(slot);
          }
        }
      }
      for (let n = 0; n < 1_600; n += 7) expect(rig.find(n)).toBe(held.get(n) ?? NONE);
      for (const [n, slot] of held) expect(rig.find(n)).toBe(slot);
    });
    fc.assert(run, { numRuns: 400 });
  });

  test('tells the slots of prefetched keys at every step of its growth, 0 of others', () => {
    const rig = new Rig(4_000);
    const keys = new Int32Array(4 * PREFETCH_MAX);
    const told = (numbers: readonly number[]) => {
      numbers.forEach((n, i) => {
        const keyOf = n % 2 === 0 ? outboundKey : inboundKey;
        keys.set(keyOf(flowOf(n)), 4 * i);
      });
      rig.index.prefetch(keys, numbers.length);
      return [...rig.index.foreseen.subarray(0, numbers.length)];
    };
    for (let slot = 1; slot <= 4_000; slot++) {
      rig.insert(slot, slot);
      const held = Array.from({ length: PREFETCH_MAX - 1 }, (_, i) => 1 + ((slot * i) % slot));
      if (slot % 7 === 0) expect(told([...held, slot + 1])).toEqual([...held, 0]);
    }
  });

  test('leaves no tombstones: it is empty when its last key has gone', () => {
    const rig = new Rig(1_000);
    for (let round = 0; round < 50; round++) {
      for (let slot = 1; slot <= 1_000; slot++) rig.insert(slot, round * 1_000 + slot);
      for (let slot = 1_000; slot >= 1; slot--) rig.index.remove(slot);
      if (round % 10 === 0) expect(rig.index.survey().used).toBe(0);
    }
    expect(rig.index.survey().used).toBe(0);
  });

  test.each([
    ['domain', outboundKey, (n: number) => ({ domain: n })],
    ['protocol', outboundKey, (n: number) => ({ protocol: n & 0xff })],
    ['insideAddress', outboundKey, (n: number) => ({ insideAddress: n << 16 })],
    ['insidePort', outboundKey, (n: number) => ({ insidePort: n })],
    ['remoteAddress', outboundKey, (n: number) => ({ remoteAddress: n << 10 })],
    ['remotePort', outboundKey, (n: number) => ({ remotePort: n })],
    ['protocol', inboundKey, (n: number) => ({ protocol: n & 0xff })],
    ['remoteAddress', inboundKey, (n: number) => ({ remoteAddress: n })],
    ['remotePort', inboundKey, (n: number) => ({ remotePort: n })],
    ['outsideAddress', inboundKey, (n: number) => ({ outsideAddress: n })],
    ['outsidePort', inboundKey, (n: number) => ({ outsidePort: n })],
  ])('keys that differ in %s alone are different keys', (field, keyOf, change) => {
    // Two kinds of collision must not fool it: of the 7-bit tag, and of ports swapped.
    const count = field === 'protocol' ? 256 : 20_000;
    const rig = new Rig(count / 2);
    for (let n = 0; n < count; n += 2) {
      rig.insertKeys(n / 2 + 1, flowOf(1, change(n)));
    }
    let wrong = 0;
    for (let n = 0; n < count; n++) {
      const expected = n % 2 === 0 ? n / 2 + 1 : NONE;
      if (rig.index.find(...keyOf(flowOf(1, change(n)))) !== expected) wrong++;
    }
    expect(wrong).toBe(0);
    const { insidePort, remotePort } = flowOf(1);
    const swapped = flowOf(1, { insidePort: remotePort, remotePort: insidePort });
    expect(rig.index.find(...keyOf(swapped))).toBe(NONE);
  });
});

describe('the hash', () => {
  /** Keys per bucket at worst, of 2^16 keys in 2^14 buckets by the top bits, as the index takes. */
  function worstBucket(
    seed: number,
    keyOf: (n: number) => [number, number, number, number],
  ): number {
    const hash = new KeyHash(seed);
    const buckets = new Uint16Array(2 ** 14);
    for (let n = 0; n < 2 ** 16; n++) buckets[hash.of(...keyOf(n)) >>> 18]!++;
    return Math.max(...buckets);
  }

  test.each([
    ['ports in a row', (n: number) => [6, 0xc6120a01, 0xc6336414, (n << 16) | 443]],
    ['addresses in a row', (n: number) => [6, 0x0a000000 + n, 0xc6336414, 443]],
    ['only high bits', (n: number) => [6, n << 16, 0xc6336414, 443]],
    ['words that cancel in an XOR', (n: number) => [6, n, n, 443]],
    ['words that cancel in a sum', (n: number) => [6, n, -n, 443]],
    ['domains', (n: number) => [n << 8, 1, 2, 3]],
  ] as [string, (n: number) => [number, number, number, number]][])('spreads %s', (_, keyOf) => {
    // 4 keys a bucket on average: a random hash has 16 to 20 in the worst.
    for (const seed of [0, 1, 2 ** 32, 987_654_321]) {
      expect(worstBucket(seed, keyOf)).toBeLessThan(26);
    }
  });

  test('another seed is another hash, in its high bits too', () => {
    const seeds = [0, 1, 2, 2 ** 32, 2 ** 33, 2 ** 52];
    const values = seeds.map((seed) => new KeyHash(seed).of(6, 1, 2, 3));
    expect(new Set(values).size).toBe(seeds.length);
  });
});
