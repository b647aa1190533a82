/**
 * Makes a failing schedule smaller: leaves out faults while the same invariant still fails. First
 * halves, then quarters, down to single faults; never more than RUNS_MAX runs.
 */
import type { FaultEvent } from './faults/schedule.ts';
import type { Mutant } from './mutants.ts';
import type { Plan } from './plan.ts';
import { runPlan } from './run.ts';

const RUNS_MAX = 40;

export async function shrink(
  plan: Plan,
  invariant: string,
  mutant?: Mutant,
): Promise<readonly FaultEvent[]> {
  let faults = plan.faults;
  let runs = 0;
  const stillFails = async (fewer: readonly FaultEvent[]) => {
    runs++;
    const { failure } = await runPlan({ ...plan, faults: fewer }, { mutant });
    return failure?.invariant === invariant;
  };
  for (let size = Math.ceil(faults.length / 2); size >= 1 && runs < RUNS_MAX; ) {
    let dropped = false;
    for (let at = 0; at < faults.length && runs < RUNS_MAX; ) {
      const fewer = [...faults.slice(0, at), ...faults.slice(at + size)];
      if (await stillFails(fewer)) {
        faults = fewer;
        dropped = true;
      } else at += size;
    }
    if (size === 1 && !dropped) break;
    size = size === 1 ? 1 : Math.floor(size / 2);
  }
  return faults;
}
