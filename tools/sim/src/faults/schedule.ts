/** When what goes wrong: drawn from the seed before the world begins. */
import type { ClusterConfig } from '@flowstore/flow';
import type { Random } from '../random.ts';
import { ENABLED_KINDS, type FaultKind, kindNamed } from './kinds.ts';

export interface FaultEvent {
  readonly number: number;
  readonly kind: string;
  readonly atMs: number;
  readonly durationMs: number;
  /** Which gateway, host or server it hits, modulo how many there are. */
  readonly target: number;
  /** How hard, 0 to below 1. */
  readonly force: number;
}

export interface ScheduleSpace {
  readonly workloadMs: number;
  readonly config: ClusterConfig;
}

/** Some seeds are calm, most have a fault every now and then, a few one after the other. */
const MEAN_GAPS_MS = [15_000, 30_000, 30_000, 60_000, 180_000];

export function drawSchedule(random: Random, { workloadMs, config }: ScheduleSpace): FaultEvent[] {
  const meanMs = random.pick(MEAN_GAPS_MS);
  const events: FaultEvent[] = [];
  let atMs = random.exponential(meanMs);
  for (let number = 1; atMs < workloadMs; number++) {
    events.push(drawEvent(random, number, drawKind(random), atMs, config));
    atMs += random.exponential(meanMs);
  }
  return events;
}

const MORE = 5;

/** A few more of these kinds, spread over the time of the traffic. */
export function drawMore(
  random: Random,
  kinds: readonly string[],
  { workloadMs, config }: ScheduleSpace,
): FaultEvent[] {
  return Array.from({ length: MORE * kinds.length }, (_, i) => {
    const kind = kindNamed(kinds[i % kinds.length]!);
    const atMs = workloadMs * ((i + random.float()) / (MORE * kinds.length));
    return drawEvent(random, 1_001 + i, kind, atMs, config);
  });
}

function drawEvent(
  random: Random,
  number: number,
  kind: FaultKind,
  atMs: number,
  config: ClusterConfig,
): FaultEvent {
  const [shortestMs, longestMs] = kind.durationMs(config);
  return {
    number,
    kind: kind.name,
    atMs: Math.round(atMs),
    durationMs: Math.round(random.between(shortestMs, longestMs)),
    target: random.next(),
    force: random.float(),
  };
}

function drawKind(random: Random): FaultKind {
  const total = ENABLED_KINDS.reduce((sum, { rate }) => sum + rate, 0);
  let draw = random.float() * total;
  for (const kind of ENABLED_KINDS) {
    draw -= kind.rate;
    if (draw < 0) return kind;
  }
  return ENABLED_KINDS[0]!;
}

export function formatEvent({ number, kind, atMs, durationMs, target, force }: FaultEvent): string {
  const at = (atMs / 1_000).toFixed(3).padStart(9);
  const lasts = (durationMs / 1_000).toFixed(1);
  const how = `target ${target % 60}, force ${force.toFixed(2)}`;
  return `${at} s  ${kind} #${number}, ${lasts} s, ${how}`;
}
