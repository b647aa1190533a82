// For the *.netns.test.ts files: when they can't run, and that they never take over somebody's lab.
import { LabError } from './errors.ts';
import type { Lab } from './lab.ts';
import { storeBinary } from './paths.ts';
import { checkRequirements } from './requirements.ts';

/** Why a lab can't be built here; undefined where it can. */
export function labSkipReason(): string | undefined {
  try {
    checkRequirements();
    storeBinary();
    return undefined;
  } catch (error) {
    if (error instanceof LabError) return error.message;
    throw error;
  }
}

/** There is one lab a machine: a test that found somebody's would take it down at its end. */
export async function refuseToShareTheLab(lab: Lab): Promise<void> {
  const { state } = await lab.status();
  if (state === 'up') throw new Error('a lab is up already; take it down first: lab down');
}
