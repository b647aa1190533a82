/** What a run of the benchmark prints. */
import { availableParallelism, loadavg } from 'node:os';
import type { ContestantName } from './contestants/index.ts';
import { type Figures, MEASURES, type Measure, type Summary } from './figures.ts';
import type { BenchResult, SizeResult } from './table-bench.ts';

const TITLES: Readonly<Record<ContestantName, string>> = {
  table: 'this table',
  map: 'Map + setTimeout',
  lruCache: 'lru-cache',
  rust: 'Rust: DashMap + tokio',
  ancestorHeap: 'ancestor: heap',
  ancestorTimeout: 'ancestor: setTimeout',
};

const HEADLINE_FLOWS = 1_000_000;

/** A figure, and how many times this table's it is. */
export function tableLines({ flows, runs, summaries }: SizeResult): string[] {
  const names = [...summaries.keys()];
  const table = summaries.get('table')!.median;
  const rows = [['', ...names.map((name) => TITLES[name])]];
  for (const { name: measure, title } of MEASURES) {
    const cells = names.map((name) => {
      const value = summaries.get(name)!.median[measure];
      return name === 'table' ? figure(value) : `${figure(value)} ${ratio(value, table[measure])}`;
    });
    rows.push([title, ...cells]);
    if (runs > 1) rows.push(['', ...names.map((name) => spread(summaries.get(name)!, measure))]);
  }
  const of = runs === 1 ? 'one run' : `median of ${runs} runs, lowest-highest below`;
  return [`${flows} flows: ${of} (in brackets: times this table's)`, ...align(rows)];
}

export function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function ratio(value: number, base: number): string {
  return base > 0 ? `(${figure(value / base)}x)` : '';
}

function spread({ lowest, highest }: Summary, measure: Measure): string {
  return `${figure(lowest[measure])}-${figure(highest[measure])}`;
}

export function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
}

export interface Target {
  readonly text: string;
  readonly isMet: boolean;
}

export function targetLine({ text, isMet }: Target): string {
  return `${isMet ? 'met ' : 'MISS'}  ${text}`;
}

/** The targets at 1 M flows. */
export function targets({ flows, summaries }: SizeResult): Target[] {
  const table = summaries.get('table')!.median;
  const rust = summaries.get('rust')?.median;
  if (flows !== HEADLINE_FLOWS) return [];
  const found: Target[] = [];
  if (rust !== undefined) {
    const times = rust.insertCpuNs / table.insertCpuNs;
    found.push({ text: `insert: ${figure(times)}x less than Rust's, of 5x`, isMet: times >= 5 });
    const times2 = rust.lookupTouchNs / table.lookupTouchNs;
    found.push({ text: `lookup + touch: ${figure(times2)}x as fast as Rust`, isMet: times2 >= 1 });
  }
  const { lookupTouchNs, bytesPerFlow, maxStallMs } = table;
  const lookup = `lookup + touch: ${figure(lookupTouchNs)} of 250 ns`;
  found.push({ text: lookup, isMet: lookupTouchNs < 250 });
  const bytes = `memory: ${figure(bytesPerFlow)} of 128 B per flow`;
  found.push({ text: bytes, isMet: bytesPerFlow <= 128 });
  const stall = `longest tick: ${figure(maxStallMs)} of 5 ms`;
  found.push({ text: stall, isMet: maxStallMs < 5 });
  return found;
}

export function reportLines(result: BenchResult): string[] {
  const lines: string[] = [];
  for (const size of result.sizes) {
    lines.push('', ...tableLines(size));
    lines.push(...targets(size).map(targetLine));
  }
  for (const [name, reason] of Object.entries(result.skipped)) {
    lines.push('', `${name} skipped: ${reason}`);
  }
  return lines;
}

interface SizeJson {
  readonly flows: number;
  readonly runs: number;
  readonly table: Figures;
  readonly peers: Readonly<Record<string, Figures>>;
  readonly lowest: Readonly<Record<string, Figures>>;
  readonly highest: Readonly<Record<string, Figures>>;
}

/** `table` and `peers` are those of 1 M flows, or of the only size; `sizes` holds every size. */
export function toJson(result: BenchResult): object {
  const sizes = result.sizes.map(sizeJson);
  const headline = sizes.find(({ flows }) => flows === HEADLINE_FLOWS) ?? sizes[0]!;
  const load1 = Math.round(loadavg()[0]! * 100) / 100;
  return {
    table: headline.table,
    peers: headline.peers,
    sizes,
    runs: headline.runs,
    skipped: result.skipped,
    machine: { cores: availableParallelism(), node: process.version, load1 },
  };
}

function sizeJson({ flows, runs, summaries }: SizeResult): SizeJson {
  const of = (pick: keyof Summary) =>
    Object.fromEntries([...summaries].map(([name, summary]) => [name, summary[pick]]));
  const { table, ...peers } = of('median');
  return { flows, runs, table: table!, peers, lowest: of('lowest'), highest: of('highest') };
}
