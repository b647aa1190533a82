/** npm run chaos -- [--minutes M] [--seed N] [--store single|sentinel|cluster] [--json] */
import { LabError, type StoreKind, storeKinds } from '@flowstore/lab';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { runChaos } from './chaos.ts';
import type { FigureSet } from './figures.ts';
import { FAULT_KINDS, type FaultKind } from './plan.ts';
import { reportLines, toJson } from './report.ts';
import { SCENARIOS, type ScenarioName } from './scenarios.ts';

const MINUTES_MAX = 24 * 60;
/** A shorter run would see no lease of the default figures end. */
const DEFAULT_FIGURES_MINUTES_MIN = 5;

interface Arguments {
  readonly minutes: number;
  readonly seed: number;
  readonly store: StoreKind;
  readonly figures?: FigureSet;
  readonly only?: FaultKind[];
  readonly scenario?: ScenarioName;
  readonly json?: true;
}

function number(lowest: number, highest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= lowest && value <= highest) return value;
    throw new InvalidArgumentError(`It is no number from ${lowest} to ${highest}.`);
  };
}

function faultKinds(text: string): FaultKind[] {
  const kinds = text.split(',') as FaultKind[];
  if (kinds.every((kind) => FAULT_KINDS.includes(kind))) return kinds;
  throw new InvalidArgumentError(`It must be some of ${FAULT_KINDS.join(',')}.`);
}

async function run(args: Arguments): Promise<number> {
  const { minutes, seed, store, only, scenario, json } = args;
  const figures = args.figures ?? (minutes < DEFAULT_FIGURES_MINUTES_MIN ? 'short' : 'default');
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => abort.abort(name));
  }
  const log = (line: string) => process.stderr.write(`chaos: ${line}\n`);
  const what = scenario ?? `seed ${seed}, ${minutes} min, ${figures} figures`;
  log(`${what}, a ${store} store`);
  const result = await runChaos({
    minutes,
    seed,
    store,
    figures,
    log,
    signal: abort.signal,
    ...(only === undefined ? {} : { only }),
    ...(scenario === undefined ? {} : SCENARIOS[scenario]),
    ...(args.figures === undefined ? {} : { figures: args.figures }),
  });
  for (const line of reportLines(result)) process.stdout.write(`${line}\n`);
  if (json) process.stdout.write(`${JSON.stringify(toJson(result))}\n`);
  return result.violations.length === 0 ? 0 : 1;
}

const program = new Command('chaos')
  .description('breaks a lab of three gateways on purpose, and tells what flows suffered')
  .option('--minutes <m>', 'how long faults go on', number(0.1, MINUTES_MAX), 1)
  .option('--seed <n>', 'which faults, and when', number(0, 2 ** 32 - 1), 1)
  .addOption(new Option('--store <kind>').choices(storeKinds).default('single'))
  .addOption(
    new Option('--figures <set>', 'leases and timeouts; short below 5 minutes').choices([
      'default',
      'short',
    ]),
  )
  .option('--only <kinds>', 'some kinds of faults alone, with commas', faultKinds)
  .addOption(
    new Option('--scenario <name>', 'one outage alone, at its full length').choices(
      Object.keys(SCENARIOS),
    ),
  )
  .option('--json', 'one line of JSON at the end')
  .allowExcessArguments(false)
  .exitOverride();

try {
  program.parse();
  process.exitCode = await run(program.opts<Arguments>());
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    process.stderr.write(`chaos: ${(error as Error).message}\n`);
    process.exitCode = error instanceof LabError ? error.exitCode : 1;
  }
}
