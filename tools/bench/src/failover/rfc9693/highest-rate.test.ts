import { expect, it } from 'vitest';
import { highestRate } from './highest-rate.ts';

/** A device that carries so many per second. */
const upTo = (limit: number) => {
  const asked: number[] = [];
  const trial = async (perS: number) => {
    asked.push(perS);
    return perS <= limit;
  };
  return { trial, asked };
};

it('finds the highest rate to an eighth of the distance between two powers', async () => {
  const { trial, asked } = upTo(1_700);
  expect(await highestRate(trial, 250, 16_000)).toBe(1_625);
  expect(asked).toEqual([250, 500, 1_000, 2_000, 2_000, 1_500, 1_750, 1_750, 1_625]);
});

it('goes no further than it is told', async () => {
  expect(await highestRate(upTo(1e6).trial, 250, 1_000)).toBe(1_000);
});

it('is 0 where the lowest rate is too much', async () => {
  expect(await highestRate(upTo(100).trial, 250, 1_000)).toBe(0);
});

it('asks again where a trial fails', async () => {
  let asked = 0;
  expect(await highestRate(async () => ++asked !== 1, 250, 500)).toBe(500);
});
