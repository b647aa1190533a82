/** The process of a contestant: child.ts <name> <flows> <lookups> <allowance ms>. */
import { CONTESTANTS, type NodeContestant } from './contestants/index.ts';
import { measure } from './measure.ts';

const [name, flows, lookups, allowanceMs] = process.argv.slice(2);
const result = await measure(CONTESTANTS[name as NodeContestant], {
  flows: Number(flows),
  lookups: Number(lookups),
  allowanceMs: Number(allowanceMs),
});
process.stdout.write(`${JSON.stringify(result)}\n`, () => {
  // Flows that were not to expire may have timers left.
  process.exit(0);
});
