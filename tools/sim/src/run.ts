/** Runs the world of a plan from its beginning to its end, and tells what was seen. */
import type { Failure, Invariant } from './checkers/checks.ts';
import { checkLeftovers, isEmpty } from './checkers/leftovers.ts';
import { kindNamed } from './faults/kinds.ts';
import type { FaultEvent } from './faults/schedule.ts';
import { Log } from './log.ts';
import type { Mutant } from './mutants.ts';
import type { Plan } from './plan.ts';
import { World } from './world/world.ts';

export interface Outcome {
  readonly seed: number;
  readonly failure: Failure | null;
  readonly packets: number;
  readonly talks: number;
  /** How conversations ended. */
  readonly endings: Readonly<Record<string, number>>;
  /** How many faults of each kind began. */
  readonly faults: Readonly<Record<string, number>>;
  readonly checks: Readonly<Record<Invariant, number>>;
  readonly happened: number;
  readonly virtualMs: number;
  /** Most that the store held, looked at every 30 s. */
  readonly bindingsMax: number;
  /** Of the whole log. */
  readonly hash: string;
}

export interface RunOptions {
  readonly mutant?: Mutant | undefined;
  /** Takes the lines of the log. */
  readonly write?: ((line: string) => void) | undefined;
}

/** A tick of the whole world. */
const TICK_MS = 1_000;
const AUDIT_MS = 30_000;
/** Faults end before the traffic does: what they left has to be gone by the end too. */
const CALM_MS = 5_000;

/**
 * Ticks end at a macrotask boundary: nothing in here is asynchronous, and should anything become
 * so, it is over before the next tick.
 */
export async function runPlan(plan: Plan, { mutant, write }: RunOptions = {}): Promise<Outcome> {
  const log = new Log(write ?? null);
  const world = new World(plan, log, mutant);
  const { timeline, witness } = world;
  const faults: Record<string, number> = {};
  for (const event of plan.faults) scheduleFault(world, event, faults);
  timeline.at(0, () => world.start());
  let bindingsMax = 0;
  let silent = false;
  // What is late comes within seconds: what was empty for this long stays so.
  let wasEmpty = false;
  let isOver = false;
  const audit = () => {
    bindingsMax = Math.max(bindingsMax, world.counts().entries);
    const { data } = world.site.master.model;
    witness.ports.audit(data);
    witness.truth.syncAll(data, { operation: 'nobody', cancelled: false }, timeline.nowMs);
    const empty = silent && isEmpty(world);
    isOver = empty && wasEmpty;
    wasEmpty = empty;
    timeline.after(AUDIT_MS, audit);
  };
  timeline.after(AUDIT_MS, audit);
  timeline.at(plan.workloadMs + CALM_MS, () => {
    silent = true;
    world.silence();
  });
  const endMs = plan.workloadMs + CALM_MS + plan.drainMs;
  const goesOn = () => !timeline.stopped && !isOver && timeline.nowMs < endMs;
  for (let untilMs = TICK_MS; goesOn(); untilMs += TICK_MS) {
    try {
      timeline.runUntil(Math.min(untilMs, endMs));
    } catch (error) {
      witness.checks.crash(error);
    }
    await macrotask();
  }
  if (!timeline.stopped) checkLeftovers(world);
  const { failure, counts } = witness.checks;
  if (failure !== null) log.line(failure.atMs, `FAILED ${failure.invariant}: ${failure.text}`);
  return {
    seed: plan.seed,
    failure,
    packets: world.network.packets,
    talks: world.workload.talks,
    endings: { ...world.inside.endings },
    faults,
    checks: { ...counts },
    happened: timeline.happened,
    virtualMs: timeline.nowMs,
    bindingsMax,
    hash: log.hash,
  };
}

function scheduleFault(world: World, event: FaultEvent, faults: Record<string, number>): void {
  const { timeline, log, plan } = world;
  const kind = kindNamed(event.kind);
  timeline.at(event.atMs, () => {
    faults[event.kind] = (faults[event.kind] ?? 0) + 1;
    log.line(timeline.nowMs, `fault  ${event.kind} #${event.number}`);
    const undo = kind.begin(world, event);
    if (undo === undefined) return;
    timeline.at(Math.min(event.atMs + event.durationMs, plan.workloadMs + CALM_MS), () => {
      log.line(timeline.nowMs, `fault  ${event.kind} #${event.number} is over`);
      undo();
    });
  });
}

function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
