/**
 * Makes a failing schedule smaller: leaves out faults while the same invariant still fails. First
 * halves, then quarters, down to single faults; never more than RUNS_MAX runs, nor HAPPENED_MAX.
 */
import type { FaultEvent } from './faults/schedule.ts';
import type { Mutant } from './mutants.ts';
import type { Plan } from './plan.ts';
import { type Outcome, runPlan } from './run.ts';

const RUNS_MAX = 40;
/** What may happen in all these runs together: about a minute's worth. */
const HAPPENED_MAX = 5_000_000;

export async function shrink(
  plan: Plan,
  { failure, happened }: Outcome,
  mutant?: Mutant,
): Promise<readonly FaultEvent[]> {
  const { invariant, atMs } = failure!;
  let faults = plan.faults.filter((event) => event.atMs <= atMs);
  let runs = 0;
  let left = HAPPENED_MAX;
  const mayRun = () => runs < RUNS_MAX && left > happened;
  const stillFails = async (fewer: readonly FaultEvent[]) => {
    runs++;
    const outcome = await runPlan({ ...plan, faults: fewer }, { mutant });
    left -= outcome.happened;
    return outcome.failure?.invariant === invariant;
  };
  for (let size = Math.ceil(faults.length / 2); size >= 1 && mayRun(); ) {
    let dropped = false;
    for (let at = 0; at < faults.length && mayRun(); ) {
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
