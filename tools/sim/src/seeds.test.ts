/** Seeds from a fixed base, so that a failure of the CI can be seen again anywhere. */
import { expect, test } from 'vitest';
import { drawPlan } from './plan.ts';
import { addOutcome, newReport } from './report.ts';
import { runPlan } from './run.ts';

const FIRST = 1_000;
const SEEDS = 200;

test(`seeds ${FIRST} to ${FIRST + SEEDS - 1} pass, and everything was checked`, async () => {
  const report = newReport();
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const outcome = await runPlan(drawPlan(seed));
    expect(outcome.failure, `npm run sim -- --seed ${seed}`).toBeNull();
    addOutcome(report, outcome);
  }
  expect(Object.entries(report.checks).filter(([, count]) => count === 0)).toEqual([]);
  expect(Object.entries(report.faults).filter(([, count]) => count === 0)).toEqual([]);
}, 900_000);
