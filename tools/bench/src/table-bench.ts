/** `bench table`: all contestants at all sizes, several runs each, one process per run. */
import { CONTESTANTS, type ContestantName } from './contestants/index.ts';
import { type Figures, type Summary, summarise } from './figures.ts';
import type { RunResult } from './measure.ts';
import { type Command, nodeCommand, runProcess } from './process.ts';
import { prepareRustPeer } from './rust-peer.ts';

export const SIZES_DEFAULT: readonly number[] = [100_000, 1_000_000, 10_000_000];
export const RUNS_DEFAULT = 5;
export const RUNS_MAX = 100;
/** The table's own default capacity. */
export const FLOWS_MAX = 10_000_000;
/** Above, this table runs alone: peers take gigabytes and minutes. */
export const PEER_FLOWS_MAX = 2_000_000;

const LOOKUPS_MIN = 100_000;
const LOOKUPS_MAX = 500_000;
/** A run that was too slow for its allowance is done again with a longer one, so often at most. */
const ATTEMPTS_MAX = 5;
/** On a busy machine a size ends after fewer runs, and says so. */
const SIZE_MAX_MS = 300_000;
const RUNS_MIN = 3;
const LIMIT_FIXED_MS = 120_000;
const LIMIT_PER_FLOW_MS = 0.2;

/** What inserts and lookups take at first guess, us per flow; later the runs before tell. */
const GUESS_US: Readonly<Record<ContestantName, number>> = {
  table: 2.5,
  map: 9,
  lruCache: 14,
  rust: 6,
  ancestorHeap: 3,
  ancestorTimeout: 9,
};
const GUESS_FIXED_MS = 400;

export interface BenchOptions {
  readonly sizes: readonly number[];
  readonly runs: number;
  readonly say: (line: string) => void;
}

export interface SizeResult {
  readonly flows: number;
  readonly runs: number;
  readonly summaries: ReadonlyMap<ContestantName, Summary>;
}

export interface BenchResult {
  readonly sizes: readonly SizeResult[];
  /** Who did not take part, and why. */
  readonly skipped: Readonly<Record<string, string>>;
}

interface Entrant {
  readonly name: ContestantName;
  readonly command: Command;
}

/** Rejects when a contestant fails, with its name and its message. */
export async function runTableBench(options: BenchOptions): Promise<BenchResult> {
  const { sizes, runs, say } = options;
  const skipped: Record<string, string> = {};
  const entrants: Entrant[] = Object.keys(CONTESTANTS).map((name) => ({
    name: name as ContestantName,
    command: nodeCommand(name),
  }));
  if (sizes.some((flows) => flows <= PEER_FLOWS_MAX)) {
    const rust = await prepareRustPeer(say);
    if (rust.kind === 'ready') entrants.splice(3, 0, { name: 'rust', command: rust.command });
    else {
      skipped.rust = rust.reason;
      say(`the Rust peer is skipped: ${rust.reason}`);
    }
  }
  const results: SizeResult[] = [];
  for (const flows of sizes) {
    const those = flows <= PEER_FLOWS_MAX ? entrants : entrants.slice(0, 1);
    results.push(await runSize(those, flows, runs, say));
  }
  return { sizes: results, skipped };
}

/** Contestants take turns, so that a noisy minute is not one contestant's. */
async function runSize(
  entrants: readonly Entrant[],
  flows: number,
  runs: number,
  say: (line: string) => void,
): Promise<SizeResult> {
  const results = new Map<ContestantName, Figures[]>();
  const busiestMs = new Map<ContestantName, number>();
  const endMs = performance.now() + SIZE_MAX_MS;
  let done = 0;
  for (let run = 1; run <= runs; run++) {
    if (done >= RUNS_MIN && performance.now() > endMs) {
      say(`${flows} flows: ${done} runs instead of ${runs}, since they take so long`);
      break;
    }
    for (const [at, { name, command }] of entrants.entries()) {
      say(`${flows} flows, run ${run} of ${runs}: ${name} (${at + 1} of ${entrants.length})`);
      const { busyMs, ...figures } = await runOnce({ name, command }, flows, busiestMs.get(name));
      results.set(name, [...(results.get(name) ?? []), figures]);
      busiestMs.set(name, Math.max(busyMs, busiestMs.get(name) ?? 0));
    }
    done = run;
  }
  const summaries = [...results].map(([name, figures]) => [name, summarise(figures)] as const);
  return { flows, runs: done, summaries: new Map(summaries) };
}

async function runOnce({ name, command }: Entrant, flows: number, busiestMs?: number) {
  const lookups = Math.min(Math.max(flows, LOOKUPS_MIN), LOOKUPS_MAX);
  let allowanceMs = Math.ceil(
    busiestMs === undefined
      ? GUESS_FIXED_MS + (flows * GUESS_US[name]) / 1_000
      : 100 + busiestMs * 1.15,
  );
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const numbers = [flows, lookups, allowanceMs].map(String);
    const limitMs = LIMIT_FIXED_MS + allowanceMs + flows * LIMIT_PER_FLOW_MS;
    let output: string;
    try {
      const args = [...command.args, ...numbers];
      output = await runProcess({ ...command, args }, limitMs);
    } catch (error) {
      throw new Error(`${name} at ${flows} flows: ${(error as Error).message}`);
    }
    const result = JSON.parse(output) as RunResult;
    if (!('lateMs' in result)) return result;
    allowanceMs = Math.ceil((allowanceMs + result.lateMs) * 1.3 + 100);
  }
  throw new Error(`${name} at ${flows} flows: too slow, ${ATTEMPTS_MAX} times`);
}
