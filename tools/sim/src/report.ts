/** What the runs of many seeds add up to. */
import { type Failure, INVARIANTS, type Invariant } from './checkers/checks.ts';
import { FAULT_KINDS } from './faults/kinds.ts';
import type { Outcome } from './run.ts';

export interface FailureReport {
  readonly seed: number;
  readonly invariant: Failure['invariant'];
  readonly atMs: number;
  readonly text: string;
  /** The line that replays it. */
  readonly replay: string;
  /** The faults that it takes, as far as they were found out. */
  readonly schedule: readonly string[];
}

export interface Report {
  seeds: number;
  packets: number;
  readonly faults: Record<string, number>;
  readonly checks: Record<Invariant, number>;
  readonly failures: FailureReport[];
}

export function newReport(): Report {
  const kinds = FAULT_KINDS.filter(({ disabled }) => disabled === null);
  return {
    seeds: 0,
    packets: 0,
    faults: Object.fromEntries(kinds.map(({ name }) => [name, 0])),
    checks: Object.fromEntries(INVARIANTS.map((name) => [name, 0])) as Record<Invariant, number>,
    failures: [],
  };
}

export function addOutcome(report: Report, outcome: Outcome): void {
  report.seeds++;
  report.packets += outcome.packets;
  for (const [kind, count] of Object.entries(outcome.faults)) {
    report.faults[kind] = (report.faults[kind] ?? 0) + count;
  }
  for (const name of INVARIANTS) report.checks[name] += outcome.checks[name];
}

/** What the contract's JSON has no room for. */
export interface Extent {
  virtualMs: number;
  bindingsMax: number;
  processorMs: number;
}

/** For people: what was done, in a few lines. */
export function formatReport(report: Report, extent: Extent): string {
  const { seeds, packets, faults, checks, failures } = report;
  const hours = extent.virtualMs / 3_600_000;
  const cost = `${(extent.processorMs / 1_000).toFixed(1)} s of processor time`;
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  return [
    `${seeds} seeds, ${packets} packets, up to ${extent.bindingsMax} bindings at once`,
    `${hours.toFixed(2)} hours of network time in ${cost}`,
    `faults: ${list(faults)}`,
    `checks: ${list(checks)}`,
    failures.length === 0 ? 'no failures' : `${failures.length} failures`,
  ].join('\n');
}

/** What became of a broken variant. */
export function formatVerdict(name: string, { seeds, failures }: Report): string {
  const [failure] = failures;
  if (failure === undefined) return `${name}: not caught in ${seeds} seeds`;
  return `${name}: caught by ${failure.invariant} after ${seeds} seeds`;
}

export function formatFailure({ invariant, atMs, text, replay, schedule }: FailureReport): string {
  const faults =
    schedule.length === 0
      ? 'without any fault'
      : `with these faults:\n${schedule.map((line) => `  ${line}`).join('\n')}`;
  return `${replay}\n  ${invariant} at ${(atMs / 1_000).toFixed(3)} s: ${text}\n  ${faults}`;
}
