/** The reaper's program: `node apps/reaper/src/main.ts --config FILE`. */
import { runReaper } from './program.ts';

void runReaper();
