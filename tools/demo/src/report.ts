/** The short table at the end of a demo. */
import type { DemoResult } from './result.ts';

export function reportLines({ traffic, gateways, failures }: DemoResult): string[] {
  const trafficRows = traffic.map((each) => [
    each.name,
    `${each.opened}`,
    `${each.survived}`,
    `${each.reset}`,
    `${(each.longestGapMs / 1_000).toFixed(2)} s`,
    each.note,
  ]);
  const gatewayRows = gateways.map((each) => [
    each.name,
    `${each.packetsOut}`,
    `${each.packetsIn}`,
    `${each.foundInStore}`,
    `${each.kills}`,
  ]);
  return [
    ...table(['traffic', 'opened', 'survived', 'reset', 'longest gap', ''], trafficRows),
    '',
    ...table(['gateway', 'packets out', 'in', 'found in the store', 'killed'], gatewayRows),
    '',
    ...(failures.length === 0 ? ['Nothing was lost.'] : failures.map((text) => `LOST: ${text}`)),
  ];
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]!.length)),
  );
  // Numbers line up on the right; the first column and the notes at the end are words.
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 || heads[column] === ''
          ? cell.padEnd(widths[column]!)
          : cell.padStart(widths[column]!),
      )
      .join('   ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('   ');
  return [line(heads), rule, ...rows.map(line)];
}
