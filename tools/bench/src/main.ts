/** `npm run bench -- <what>`: measures the house against others, side by side. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { runDrainBench } from './drain/drain-bench.ts';
import { drainJson, drainReportLines } from './drain/drain-report.ts';
import {
  FAILOVER_FLOWS_MAX,
  FAILOVER_SIZES_DEFAULT,
  runFailoverBench,
} from './failover/failover-bench.ts';
import { failoverJson, failoverReportLines } from './failover/failover-report.ts';
import { killAll } from './process.ts';
import { reportLines, toJson } from './report.ts';
import {
  runStoreBench,
  STORE_FLOWS_DEFAULT,
  STORE_FLOWS_MAX,
  STORE_FLOWS_MIN,
} from './store/store-bench.ts';
import { storeJson, storeReportLines } from './store/store-report.ts';
import { FLOWS_MAX, RUNS_DEFAULT, RUNS_MAX, runTableBench, SIZES_DEFAULT } from './table-bench.ts';

interface TableOptions {
  readonly flows?: number;
  readonly runs: number;
  readonly json?: true;
}

interface StoreOptions {
  readonly flows: number;
  readonly json?: true;
}

const out = (line: string) => process.stdout.write(`${line}\n`);
const say = (line: string) => process.stderr.write(`bench: ${line}\n`);

function wholeUpTo(highest: number, lowest = 1): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : 0;
    if (value >= lowest && value <= highest) return value;
    throw new InvalidArgumentError(`It is no whole number from ${lowest} to ${highest}.`);
  };
}

async function benchTable({ flows, runs, json }: TableOptions): Promise<void> {
  const sizes = flows === undefined ? SIZES_DEFAULT : [flows];
  const result = await runTableBench({ sizes, runs, say });
  for (const line of reportLines(result)) out(line);
  if (json) out(JSON.stringify(toJson(result)));
}

async function benchStore({ flows, json }: StoreOptions): Promise<void> {
  const result = await runStoreBench(flows, say);
  for (const line of storeReportLines(result)) out(line);
  if (json) out(JSON.stringify(storeJson(result)));
}

async function benchDrain({ flows, json }: StoreOptions): Promise<void> {
  const result = await runDrainBench(flows, say);
  for (const line of drainReportLines(result)) out(line);
  if (json) out(JSON.stringify(drainJson(result)));
}

async function benchFailover({ flows, json }: Partial<StoreOptions>): Promise<void> {
  const sizes = flows === undefined ? FAILOVER_SIZES_DEFAULT : [flows];
  const result = await runFailoverBench(sizes, say);
  for (const line of failoverReportLines(result)) out(line);
  if (json) out(JSON.stringify(failoverJson(result)));
}

const program = new Command('bench')
  .description('measures this house against others')
  .exitOverride();
program
  .command('table')
  .description('the flow table and its peers: CPU, memory and stalls per flow')
  .option('--flows <n>', 'this size alone, instead of 100 k, 1 M and 10 M', wholeUpTo(FLOWS_MAX))
  .option('--runs <n>', 'runs of which the median is taken', wholeUpTo(RUNS_MAX), RUNS_DEFAULT)
  .option('--json', 'one line of JSON at the end')
  .allowExcessArguments(false)
  .exitOverride()
  .action(benchTable);
program
  .command('store')
  .description('the flow store on a private redis-server: CPU, memory and latency per flow')
  .option(
    '--flows <n>',
    'flows per protocol in the store',
    wholeUpTo(STORE_FLOWS_MAX, STORE_FLOWS_MIN),
    STORE_FLOWS_DEFAULT,
  )
  .option('--json', 'one line of JSON at the end')
  .allowExcessArguments(false)
  .exitOverride()
  .action(benchStore);
program
  .command('drain')
  .description('a reaper that drains stale flows from a private redis-server, beside a naive loop')
  .option(
    '--flows <n>',
    'stale flows in the store',
    wholeUpTo(STORE_FLOWS_MAX, STORE_FLOWS_MIN),
    STORE_FLOWS_DEFAULT,
  )
  .option('--json', 'one line of JSON at the end')
  .allowExcessArguments(false)
  .exitOverride()
  .action(benchDrain);
program
  .command('failover')
  .description('a gateway is killed: this house, and nftables with conntrackd (root, the lab)')
  .option(
    '--flows <n>',
    'this many alone, instead of 1, 1 k and 10 k',
    wholeUpTo(FAILOVER_FLOWS_MAX),
  )
  .option('--json', 'one line of JSON at the end')
  .allowExcessArguments(false)
  .exitOverride()
  .action(benchFailover);

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    killAll();
    process.exit(130);
  });
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    say(`FAILED: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
