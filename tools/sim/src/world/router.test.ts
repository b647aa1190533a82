import { expect, test } from 'vitest';
import { Router } from './router.ts';

const flow = (n: number) => ({
  protocol: 6,
  source: 0xc6120a0a + (n % 7),
  sourcePort: 1_024 + n,
  destination: 0xc633640a,
  destinationPort: 443,
  control: 0,
});

test('flows spread over the gateways, and one flow stays where it is', () => {
  const router = new Router(1);
  expect(router.choose(flow(1))).toBeUndefined();
  for (const gateway of [2, 0, 1]) router.add(gateway);
  const counts = [0, 0, 0];
  for (let n = 0; n < 3_000; n++) counts[router.choose(flow(n))!]!++;
  expect(Math.min(...counts)).toBeGreaterThan(800);
  expect(router.choose(flow(5))).toBe(router.choose({ ...flow(5), control: 2 }));
});

test('a gateway without a route gets nothing; another hash moves flows', () => {
  const router = new Router(1);
  router.add(0);
  router.add(1);
  const before = Array.from({ length: 100 }, (_, n) => router.choose(flow(n)));
  router.hashSeed = 2;
  const after = Array.from({ length: 100 }, (_, n) => router.choose(flow(n)));
  expect(after).not.toEqual(before);
  router.remove(0);
  expect(Array.from({ length: 100 }, (_, n) => router.choose(flow(n)))).not.toContain(0);
});
