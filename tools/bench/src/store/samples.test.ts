import { expect, test } from 'vitest';
import { figureOf, Samples } from './samples.ts';
import { portionsOf } from './store-bench.ts';

test('a figure is the median, between what nine of ten rounds gave', () => {
  const values = Array.from({ length: 101 }, (_, i) => 100 - i);
  expect(figureOf([...values, 1_000_000])).toMatchObject({ low: 5, median: 50.5, high: 96 });
});

test('what is measured of one operation is not taken for another', () => {
  const samples = new Samples();
  samples.add('udp', 'open', 64, { serverUs: 1, clientUs: 2 });
  samples.add('tcp', 'open', 64, { serverUs: 3, clientUs: 4 });
  samples.add('udp', 'open', 16, { serverUs: 5, clientUs: 6 });
  expect(samples.serverUs('udp', 'open', 64)).toMatchObject({ median: 1, rounds: 1 });
  expect(samples.clientUs('tcp', 'open', 64).median).toBe(4);
});

test('every flow is in one portion at most', () => {
  const flows = Array.from({ length: 40 }, (_, i) => i);
  expect(portionsOf(flows, flows.length).flatMap(([, part]) => part)).toEqual(flows);
  expect(portionsOf(flows, 39).map(([size, part]) => [size, part.length])).toEqual([
    [1, 3],
    [16, 12],
    [64, 24],
  ]);
});
