/** What a run does, drawn from its seed before it begins: the same seed, the same faults. */
import type { StoreKind } from '@flowstore/lab';
import { Random } from '@flowstore/sim/random';
import { type Figures, graceMs } from './figures.ts';

export const FAULT_KINDS = [
  'gatewayKill',
  'gatewayStop',
  'linkDown',
  'cutOff',
  'routeFlap',
  'storePause',
  'storeRestartEmpty',
  'storeRestartOld',
  'storeFailover',
  'oldMaster',
  'reaperKill',
  'reaperStop',
  'publish',
  'upgrade',
  'garbage',
  'flood',
  'diskFull',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Step {
  readonly kind: FaultKind;
  /** Of gateways: which one, from 0. */
  readonly target: number;
  /** How long what can be chosen lasts. */
  readonly lastsMs: number;
  /** How long nothing happens before it. */
  readonly pauseMs: number;
  /** Two ways of doing it. */
  readonly variant: boolean;
  /** Begun with the one before, not after it. */
  readonly together: boolean;
}

export const GATEWAYS = 3;

/** Both ends lose what they know: not before everybody has told the store what it forgot. */
const FORGETS: ReadonlySet<FaultKind> = new Set([
  'storeRestartEmpty',
  'storeRestartOld',
  'storeFailover',
  'oldMaster',
]);
const ENDS_GATEWAYS: ReadonlySet<FaultKind> = new Set([
  'gatewayKill',
  'gatewayStop',
  'linkDown',
  'cutOff',
  'upgrade',
]);
/** Short, and harmless beside what is going on: they may begin together with another one. */
const COMPANIONS: ReadonlySet<FaultKind> = new Set([
  'routeFlap',
  'reaperKill',
  'reaperStop',
  'garbage',
  'diskFull',
]);
/** Waits for all gateways, so none may be away. */
const NEEDS_ALL: ReadonlySet<FaultKind> = new Set(['publish']);

export function kindsFor(store: StoreKind): FaultKind[] {
  const single: FaultKind[] = ['storeRestartOld'];
  const several: FaultKind[] = ['storeFailover', 'oldMaster'];
  const without = store === 'single' ? several : single;
  return FAULT_KINDS.filter((kind) => !without.includes(kind));
}

function lasts(kind: FaultKind, figures: Figures, random: Random): number {
  const { cacheLeaseMs } = figures;
  switch (kind) {
    case 'storePause':
      return random.chance(0.5) ? 30_000 : random.between(2_000, 15_000);
    case 'cutOff':
    case 'gatewayStop':
      return random.between(0.1, 1.4) * cacheLeaseMs;
    case 'reaperStop':
    case 'routeFlap':
      return random.between(5_000, 15_000);
    default:
      return random.between(1_000, 6_000);
  }
}

/** Every kind once before any comes twice. Steps enough for `minutes`, as if all took no time. */
export function planRun(seed: number, minutes: number, store: StoreKind, figures: Figures): Step[] {
  const random = new Random(seed, 'plan');
  const steps: Step[] = [];
  let plannedMs = 0;
  let forgottenMs = -Infinity;
  let bag: FaultKind[] = [];
  while (plannedMs < minutes * 60_000) {
    if (bag.length === 0) bag = shuffle(kindsFor(store), random);
    const kind = bag.pop()!;
    // An upgrade is for once: the layout of records does not go back.
    if (kind === 'upgrade' && steps.some((step) => step.kind === 'upgrade')) continue;
    const together = random.chance(0.6) && mayJoin(kind, steps);
    const waits = ENDS_GATEWAYS.has(kind) || NEEDS_ALL.has(kind) || FORGETS.has(kind);
    const calmMs = waits ? forgottenMs + graceMs(figures) - plannedMs : 0;
    const pauseMs = together ? 500 : Math.max(random.between(1_500, 5_000), calmMs);
    const lastsMs = lasts(kind, figures, random);
    const drawn = random.below(GATEWAYS);
    const target = together ? besides(steps, drawn) : kind === 'upgrade' ? 0 : drawn;
    steps.push({ kind, target, lastsMs, pauseMs, variant: random.chance(0.5), together });
    plannedMs += pauseMs + (together ? 0 : lastsMs);
    if (FORGETS.has(kind)) forgottenMs = plannedMs;
  }
  return steps;
}

/** Those that begin together as planned so far: the last ones. */
function lastGroup(steps: readonly Step[]): readonly Step[] {
  return steps.slice(steps.findLastIndex(({ together }) => !together));
}

/** One reaper is there, so one fault of it at a time. */
function mayJoin(kind: FaultKind, steps: readonly Step[]): boolean {
  const isReapers = (each: FaultKind) => each.startsWith('reaper');
  const reaperIsBusy = isReapers(kind) && lastGroup(steps).some((step) => isReapers(step.kind));
  return COMPANIONS.has(kind) && steps.length > 0 && !reaperIsBusy;
}

/** Another gateway than the group's first: a dead one's routes must not come back. */
function besides(steps: readonly Step[], drawn: number): number {
  const { target } = lastGroup(steps)[0]!;
  return drawn === target ? (drawn + 1) % GATEWAYS : drawn;
}

function shuffle<T>(items: T[], random: Random): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
