/** The failover's figures, for people and as JSON. */
import type {
  ActiveFigures,
  BenchmarkFigures,
  FailoverResult,
  KillFigures,
} from './failover-bench.ts';

const row = (cells: readonly (string | number)[]) =>
  cells
    .map((cell, at) => (at === 0 ? String(cell).padEnd(34) : String(cell).padStart(13)))
    .join('');

function killRow(name: string, figures: KillFigures): string {
  const { flows, opened, lost, resets, longestGapMs, takeOverP999Ms, moved } = figures;
  return row([name, flows, opened, lost, resets, longestGapMs, takeOverP999Ms ?? '-', moved]);
}

function activeRow(name: string, figures: ActiveFigures): string {
  const { gateways, roundTripMs, asked, openedPercent, duplicates } = figures;
  const { handshakeP50Ms: p50, handshakeP99Ms: p99 } = figures;
  return row([name, gateways, roundTripMs, asked, openedPercent, p50, p99, duplicates]);
}

function benchmarkRow(name: string, figures: BenchmarkFigures): string {
  const { establishedPerS, held, heldAsked, survived, acrossAsked, acrossEstablished } = figures;
  return row([
    name,
    establishedPerS,
    `${held}/${heldAsked}`,
    survived,
    `${acrossEstablished}/${acrossAsked}`,
    figures.shared,
    figures.tornDownPerS,
  ]);
}

const BENCHMARK_TITLES = ['', 'rate /s', 'held', 'survived', 'across', 'shared', 'torn down /s'];

export function failoverReportLines({ kills, rfc9693, active }: FailoverResult): string[] {
  const lines = ['one of two gateways is killed; each flow says something once a second', ''];
  lines.push(row(['', 'flows', 'opened', 'lost', 'resets', 'gap ms', 'p99.9 ms', 'moved']));
  for (const [at, figures] of kills.flowstore.entries()) {
    lines.push(killRow('flowstore, both active', figures));
    lines.push(killRow('nft + conntrackd, active/backup', kills.conntrackd[at]!));
  }
  lines.push('', 'RFC 9693, two gateways; after the search for the rate one is killed', '');
  lines.push(row(BENCHMARK_TITLES));
  lines.push(benchmarkRow('flowstore, both active', rfc9693.flowstore));
  lines.push(benchmarkRow('nft + conntrackd, active/backup', rfc9693.conntrackd));
  lines.push('', 'all gateways active, ECMP in both directions', '');
  lines.push(row(['', 'gateways', 'away ms', 'asked', 'work %', 'p50 ms', 'p99 ms', 'duplicates']));
  for (const at of active.flowstore.keys()) {
    lines.push(activeRow('flowstore', active.flowstore[at]!));
    lines.push(activeRow('conntrackd, external cache', active.conntrackd[at]!));
    const without = active.conntrackdWithoutExternalCache[at]!;
    lines.push(activeRow('conntrackd, none', without));
  }
  return lines;
}

export function failoverJson(result: FailoverResult): FailoverResult {
  return result;
}
