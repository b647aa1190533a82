/**
 * Keys chosen by somebody who wants lookups to be slow. No timing here: what a lookup costs beyond
 * its cache misses is how many entries it looks at, and those are counted.
 */
import { describe, expect, test } from 'vitest';
import { FlowIndex } from './flow-index.ts';
import { KeyHash } from './key-hash.ts';
import { type FlowKeys, Rows } from './rows.ts';
import { flowOf, outboundKey } from './testing.ts';

const FLOWS = 100_000;

function surveyOf(keysOf: (n: number) => FlowKeys, seed = 12_345, flows = FLOWS) {
  const rows = new Rows(flows + 1);
  const index = new FlowIndex(rows, flows, seed);
  for (let slot = 1; slot <= flows; slot++) {
    rows.write(slot, keysOf(slot));
    index.seek(keysOf(slot));
    index.insert(slot, index.insideHash, index.outsideHash);
  }
  return index.survey();
}

/** Keys that a random source made: a generator of full period, so none comes twice. */
function strangers(n: number): FlowKeys {
  const mixed = Math.imul(n, 2_654_435_761) >>> 0;
  const insideAddress = (mixed ^ (mixed >>> 13)) >>> 0;
  const outsideAddress = Math.imul(insideAddress, 1_597_334_677) >>> 0;
  return flowOf(n & 0xffff, { insideAddress, outsideAddress });
}

const NAIVE: [string, (n: number) => FlowKeys, (...words: number[]) => number][] = [
  [
    'XOR of the words',
    (n) => flowOf(0, { insideAddress: n, remoteAddress: n, outsideAddress: n }),
    (w0, w1, w2, w3) => w0! ^ w1! ^ w2! ^ w3!,
  ],
  [
    'sum of the words',
    (n) => flowOf(0, { insideAddress: n, remoteAddress: -n >>> 0, outsideAddress: n }),
    (w0, w1, w2, w3) => (w0! + w1! + w2! + w3!) | 0,
  ],
  [
    'polynomial in 31',
    (n) =>
      flowOf(0, {
        insideAddress: n,
        remoteAddress: Math.imul(n, -31) >>> 0,
        outsideAddress: Math.imul(n, 961) >>> 0,
      }),
    (w0, w1, w2, w3) => (Math.imul(Math.imul(Math.imul(w0!, 31) + w1!, 31) + w2!, 31) + w3!) | 0,
  ],
  [
    'low bits alone',
    (n) => {
      const address = (n << 12) >>> 0;
      return flowOf(0, { insideAddress: address, outsideAddress: address, domain: n >>> 20 });
    },
    (_, w1) => w1! & 0xfff,
  ],
];

describe('keys that all collide in a naive hash', () => {
  const usual = surveyOf(strangers);

  test.each(NAIVE)('%s: are spread like any others', (_, keysOf, naive) => {
    // They do collide in the naive one.
    const values = new Set<number>();
    for (let n = 1; n <= 1_000; n++) values.add(naive(...outboundKey(keysOf(n))));
    expect(values.size).toBe(1);
    const survey = surveyOf(keysOf);
    expect(survey.used).toBe(2 * FLOWS);
    expect(survey.probesMean).toBeLessThan(usual.probesMean * 1.1);
    expect(survey.probesMax).toBeLessThan(usual.probesMax * 2);
    expect(survey.clusterMax).toBeLessThan(usual.clusterMax * 2);
  });
});

test('keys that collide under a seed that became known are harmless under another', () => {
  const known = new KeyHash(1);
  const chosen: number[] = [];
  for (let n = 0; chosen.length < 2_000; n++) {
    const hash = known.of(...outboundKey(flowOf(n)));
    if (hash >>> 24 === 0x55) chosen.push(n);
  }
  const keysOf = (n: number) => flowOf(chosen[n - 1]!);
  const underKnown = surveyOf(keysOf, 1, chosen.length);
  const underSecret = surveyOf(keysOf, 987_654_321, chosen.length);
  expect(underKnown.probesMean).toBeGreaterThan(300);
  expect(underSecret.probesMean).toBeLessThan(5);
});
