/** Every broken variant is caught; the tests' names say after how many seeds, at the latest. */
import { expect, test } from 'vitest';
import { MUTANTS } from './mutants.ts';
import { drawPlan } from './plan.ts';
import { runPlan } from './run.ts';

const SEEDS_MAX = 200;

test.each(MUTANTS)(
  '$name is caught: $what',
  async (mutant) => {
    let caught: string | null = null;
    let seed = 0;
    while (caught === null && ++seed <= SEEDS_MAX) {
      const { failure } = await runPlan(drawPlan(seed, { mutant }), { mutant });
      caught = failure?.invariant ?? null;
    }
    console.log(`${mutant.name}: caught by ${caught} after ${seed} seeds`);
    expect(caught).not.toBeNull();
    // It was the mutant: the same day passes without it.
    const { failure } = await runPlan(drawPlan(seed, { mutant }));
    expect(failure).toBeNull();
  },
  600_000,
);

test('names are bare words', () => {
  for (const { name } of MUTANTS) expect(name).toMatch(/^[A-Za-z0-9_-]+$/);
});
