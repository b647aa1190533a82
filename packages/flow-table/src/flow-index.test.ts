import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FlowIndex } from './flow-index.ts';
import { KeyHash } from './key-hash.ts';
import { NONE } from './none.ts';
import { Rows } from './rows.ts';
import { flowOf, inboundKey, outboundKey } from './testing.ts';

class Rig {
  readonly rows: Rows;
  readonly index: FlowIndex;

  constructor(flowsMax: number, seed = 3) {
    this.rows = new Rows(flowsMax + 1);
    this.index = new FlowIndex(this.rows.words, flowsMax, seed);
  }

  insert(slot: number, n: number): void {
    this.rows.write(slot, flowOf(n));
    this.index.insert(slot);
  }

  find(n: number): number {
    const outbound = this.index.find(...outboundKey(flowOf(n)));
    expect(this.index.find(...inboundKey(flowOf(n)))).toBe(outbound);
    return outbound;
  }
}

describe('the index', () => {
  test('grows by a few entries per insert, and finds every key meanwhile', () => {
    const rig = new Rig(20_000);
    const sizes = new Set<number>();
    let growing = 0;
    for (let slot = 1; slot <= 20_000; slot++) {
      rig.insert(slot, slot);
      sizes.add(rig.index.size);
      if (rig.index.isGrowing) growing++;
      for (const n of [1, slot >>> 1, slot]) if (n > 0) expect(rig.find(n)).toBe(n);
      expect(rig.find(slot + 1)).toBe(NONE);
    }
    expect(sizes.size).toBe(6);
    expect(growing).toBeGreaterThan(500);
    expect(growing).toBeLessThan(5_000);
    for (let slot = 1; slot <= 20_000; slot++) expect(rig.find(slot)).toBe(slot);
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

  test('leaves no tombstones: it is empty when its last key has gone', () => {
    const rig = new Rig(1_000);
    for (let round = 0; round < 500; round++) {
      for (let slot = 1; slot <= 1_000; slot++) rig.insert(slot, round * 1_000 + slot);
      for (let slot = 1_000; slot >= 1; slot--) rig.index.remove(slot);
      if (round % 100 === 0) expect(rig.index.entriesUsed()).toBe(0);
    }
    expect(rig.index.entriesUsed()).toBe(0);
  });

  test('keys that differ in one field are different keys', () => {
    const base = flowOf(1);
    const others = [
      { domain: 1, outsidePort: 2 },
      { protocol: 17 },
      { insideAddress: base.insideAddress ^ 1, outsidePort: 3 },
      { insidePort: 2, outsidePort: 4 },
      { remoteAddress: (base.remoteAddress ^ 0x8000_0000) >>> 0 },
      { remotePort: 444 },
      { insidePort: base.remotePort, remotePort: base.insidePort },
    ].map((change) => ({ ...base, ...change }));
    const rig = new Rig(10);
    [base, ...others].forEach((flow, i) => {
      rig.rows.write(i + 1, flow);
      rig.index.insert(i + 1);
    });
    [base, ...others].forEach((flow, i) => {
      expect(rig.index.find(...outboundKey(flow))).toBe(i + 1);
      expect(rig.index.find(...inboundKey(flow))).toBe(i + 1);
    });
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
