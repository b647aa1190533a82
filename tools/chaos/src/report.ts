/** A run's result, for people and as JSON. */
import type { ChaosResult } from './chaos.ts';
import { GAP_MS_MAX } from './judge.ts';
import { FLOW_CLASSES, type FlowStory } from './traffic/story.ts';
import type { Vital } from './vitals.ts';

const GAP_BOUNDS_MS = [100, 500, 1_000, 3_000, 10_000, 30_000, Infinity];
const TABLE = ['class', 'opened', 'survived', 'reset', 'silent', 'refused', 'stalled', 'misdeliv.'];

export interface FlowCounts {
  readonly opened: number;
  readonly survived: number;
  readonly reset: number;
  readonly stalled: number;
  readonly misdelivered: number;
}

export function countFlows(stories: readonly FlowStory[]): FlowCounts {
  const of = (holds: (story: FlowStory) => boolean) => stories.filter(holds).length;
  return {
    opened: of(({ openedMs }) => openedMs !== null),
    survived: of(({ outcome }) => outcome === 'survived'),
    reset: of(({ outcome }) => outcome === 'reset'),
    stalled: of((story) => story.openedMs !== null && story.longestGapMs > GAP_MS_MAX),
    misdelivered: stories.reduce((sum, { misdelivered }) => sum + misdelivered, 0),
  };
}

export function toJson({ stories, faults, leftInStore, violations }: ChaosResult) {
  return { flows: countFlows(stories), faults, leftInStore, violations };
}

function row(cells: readonly (string | number)[]): string {
  return cells.map((cell) => String(cell).padStart(9)).join(' ');
}

function gapRow(stories: readonly FlowStory[]): number[] {
  const counts = GAP_BOUNDS_MS.map(() => 0);
  for (const { longestGapMs, openedMs } of stories) {
    if (openedMs === null) continue;
    counts[GAP_BOUNDS_MS.findIndex((bound) => longestGapMs < bound)]!++;
  }
  return counts;
}

function vitalLine(vital: Vital): string {
  const { name, minutes, rssMb, mbPerMinute, fdsFirst, fdsLast } = vital;
  const memory = `${rssMb.map((mb) => mb.toFixed(0)).join(' ')} MB over ${minutes.toFixed(1)} min`;
  const later = `${mbPerMinute.toFixed(2)} MB a minute in the later half`;
  return `${name.padEnd(9)} ${memory}, ${later}, file descriptors ${fdsFirst} -> ${fdsLast}`;
}

/** Of the flows that were begun while the store was away: how many, and how many failed. */
export function newWhileAway({ stories, windows }: Pick<ChaosResult, 'stories' | 'windows'>) {
  const away = windows.filter(({ storeAway }) => storeAway);
  const begun = stories.filter(({ beganMs }) =>
    away.some(({ fromMs, toMs }) => beganMs >= fromMs && beganMs < toMs),
  );
  return { begun: begun.length, failed: begun.filter(({ openedMs }) => openedMs === null).length };
}

export function reportLines(result: ChaosResult): string[] {
  const { stories, faults, leftInStore, violations } = result;
  const byClass = FLOW_CLASSES.map((kind) => ({
    kind,
    stories: stories.filter((story) => story.kind === kind),
  }));
  const lines = [row(TABLE)];
  for (const { kind, stories } of byClass) {
    const flows = countFlows(stories);
    const of = (outcome: string) => stories.filter((story) => story.outcome === outcome).length;
    const { opened, survived, reset, stalled, misdelivered } = flows;
    const { silent, refused } = { silent: of('silent'), refused: of('refused') };
    lines.push(row([kind, opened, survived, reset, silent, refused, stalled, misdelivered]));
  }
  const bounds = GAP_BOUNDS_MS.map((bound) => (bound === Infinity ? 'more' : `<${bound / 1_000}s`));
  lines.push('', 'the longest silence of each flow:', row(['', ...bounds]));
  for (const { kind, stories } of byClass) lines.push(row([kind, ...gapRow(stories)]));
  const list = Object.entries(faults).map(([kind, times]) => `${kind} ${times}`);
  lines.push('', `faults: ${list.join(', ') || 'none'}`, `left in the store: ${leftInStore}`);
  const { begun, failed } = newWhileAway(result);
  const share = ((100 * failed) / Math.max(1, begun)).toFixed(1);
  lines.push(`begun while the store was away: ${begun} flows, ${failed} did not open (${share} %)`);
  for (const vital of result.vitals) lines.push(vitalLine(vital));
  if (violations.length === 0) lines.push('no violation');
  for (const { invariant, what, examples } of violations) {
    lines.push(`VIOLATION of ${invariant}: ${what}`, ...examples.map((each) => `  ${each}`));
  }
  return lines;
}
