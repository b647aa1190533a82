/** npm run sim -- ...: runs seeds, prints what failed and how to see it again. */
import { Command, InvalidArgumentError } from 'commander';
import { FAULT_KINDS } from './faults/kinds.ts';
import { formatEvent } from './faults/schedule.ts';
import { MUTANTS, type Mutant, mutantNamed } from './mutants.ts';
import { drawPlan } from './plan.ts';
import { addOutcome, formatFailure, formatReport, formatVerdict, newReport } from './report.ts';
import { type Outcome, runPlan } from './run.ts';
import { shrink } from './shrink.ts';

interface Options {
  readonly seed?: number;
  readonly seeds?: readonly [number, number];
  readonly hours?: number;
  readonly gateways?: number;
  readonly rate?: number;
  readonly fault?: string;
  readonly mutant?: Mutant;
  readonly mutants?: boolean;
  readonly json?: boolean;
  readonly log?: boolean;
}

const SEEDS_DEFAULT = [1, 20] as const;
/** Failures after which a range of seeds is given up. */
const FAILURES_MAX = 10;

function whole(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('It must be a whole number.');
  }
  return value;
}

function seedRange(text: string): readonly [number, number] {
  const match = /^(\d+)\.\.(\d+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('It must be A..B.');
  const range = [whole(match[1]!), whole(match[2]!)] as const;
  if (range[1] < range[0]) throw new InvalidArgumentError('B must not be below A.');
  return range;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) {
    throw new InvalidArgumentError('It must be a number above 0.');
  }
  return value;
}

function gatewayCount(text: string): number {
  const value = whole(text);
  if (value < 1 || value > 64) throw new InvalidArgumentError('It must be 1 to 64.');
  return value;
}

function kind(name: string): string {
  if (FAULT_KINDS.some((one) => one.name === name)) return name;
  const names = FAULT_KINDS.map((one) => one.name).join(', ');
  throw new InvalidArgumentError(`It must be one of ${names}.`);
}

function mutantOption(name: string): Mutant {
  const mutant = mutantNamed(name);
  if (mutant === undefined) {
    throw new InvalidArgumentError('There is no such mutant; --mutants lists them.');
  }
  return mutant;
}

function parse(args: readonly string[]): Options {
  const program = new Command('sim')
    .description('Runs the protocol through thousands of bad days, one seed each.')
    .option('--seed <n>', 'one seed', whole)
    .option('--seeds <a..b>', 'a range of seeds (default 1..20; with --mutant 1..200)', seedRange)
    .option('--hours <h>', 'hours of traffic (default: as the seed says)', positive)
    .option('--gateways <n>', 'how many gateways (default 3)', gatewayCount)
    .option('--rate <n>', 'conversations begun per second (default: as the seed says)', positive)
    .option('--fault <kind>', 'three more faults of a kind, promised to be survived or not', kind)
    .option('--mutant <name>', 'run this broken variant until it is caught', mutantOption)
    .option('--mutants', 'list the broken variants')
    .option('--json', 'print one line of JSON at the end')
    .option('--log', 'print all that happens, on stderr')
    .allowExcessArguments(false)
    .exitOverride();
  program.parse(args, { from: 'user' });
  return program.opts<Options>();
}

function rangeOf({ seed, seeds, mutant }: Options): readonly [number, number] {
  if (seed !== undefined) return [seed, seed];
  return seeds ?? (mutant === undefined ? SEEDS_DEFAULT : [1, 200]);
}

/** The options that make another world of the same seed. */
function replayLine(seed: number, { hours, gateways, rate, fault, mutant }: Options): string {
  const more = [
    hours === undefined ? '' : ` --hours ${hours}`,
    gateways === undefined ? '' : ` --gateways ${gateways}`,
    rate === undefined ? '' : ` --rate ${rate}`,
    fault === undefined ? '' : ` --fault ${fault}`,
    mutant === undefined ? '' : ` --mutant ${mutant.name}`,
  ];
  return `npm run sim -- --seed ${seed}${more.join('')}`;
}

async function main(args: readonly string[]): Promise<number> {
  const options = parse(args);
  if (options.mutants) {
    for (const { name } of MUTANTS) console.log(name);
    return 0;
  }
  const [first, last] = rangeOf(options);
  const report = newReport();
  const extent = { virtualMs: 0, bindingsMax: 0, processorMs: 0 };
  const write = options.log ? (line: string) => console.error(line) : undefined;
  const { mutant } = options;
  for (let seed = first; seed <= last; seed++) {
    const outcome = await runPlan(drawPlan(seed, options), { mutant, write });
    addOutcome(report, outcome);
    extent.virtualMs += outcome.virtualMs;
    extent.bindingsMax = Math.max(extent.bindingsMax, outcome.bindingsMax);
    if (outcome.failure === null) continue;
    report.failures.push(await describeFailure(outcome, options));
    if (!options.json) console.log(formatFailure(report.failures.at(-1)!));
    if (mutant !== undefined || report.failures.length >= FAILURES_MAX) break;
  }
  const { user, system } = process.cpuUsage();
  extent.processorMs = (user + system) / 1_000;
  console.log(options.json ? JSON.stringify(report) : formatReport(report, extent));
  if (mutant !== undefined && !options.json) console.log(formatVerdict(mutant.name, report));
  return report.failures.length === 0 ? 0 : 1;
}

async function describeFailure(failed: Outcome, options: Options) {
  const { seed, failure } = failed;
  const { invariant, atMs, text } = failure!;
  const plan = drawPlan(seed, options);
  const { mutant } = options;
  // Of a mutant nobody wants to know more than that it was caught.
  const isMutant = mutant !== undefined && options.seed === undefined;
  const faults = isMutant ? plan.faults : await shrink(plan, failed, mutant);
  const schedule = faults.filter((event) => event.atMs <= atMs || !isMutant).map(formatEvent);
  return { seed, invariant, atMs, text, replay: replayLine(seed, options), schedule };
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { code, exitCode } = error as { code?: string; exitCode?: number };
  if (code?.startsWith('commander.') !== true) throw error;
  // commander has said what is wrong; help that was asked for is no error.
  process.exitCode = exitCode === 0 ? 0 : 2;
}
