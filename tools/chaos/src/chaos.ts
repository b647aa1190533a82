/** One run: the lab, the traffic, the faults, and what is left of it all. */
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lab, type StoreKind } from '@flowstore/lab';
import { nowMs } from './clock.ts';
import type { Stage } from './faults/fault.ts';
import { FAULTS } from './faults/index.ts';
import { allOverMs, type FigureSet, type Figures, figuresOf, lastFigures } from './figures.ts';
import { judge, type Violation } from './judge.ts';
import { LogDisk } from './log-disk.ts';
import { type FaultKind, GATEWAYS, planRun, type Step } from './plan.ts';
import { sessionRecords } from './session-records.ts';
import { StoreAdmin } from './store-admin.ts';
import type { FlowStory } from './traffic/story.ts';
import { LOAD_DEFAULT, type Load, TrafficRun } from './traffic-run.ts';
import { type Vital, Vitals } from './vitals.ts';
import { type Window, Windows } from './windows.ts';

export interface ChaosOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly store: StoreKind;
  readonly figures: FigureSet;
  readonly load?: Load;
  /** Only these kinds of faults. */
  readonly only?: readonly FaultKind[];
  /** These in place of a plan, all of them. */
  readonly steps?: readonly Step[];
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface ChaosResult {
  readonly stories: readonly FlowStory[];
  readonly windows: readonly Window[];
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly leftInStore: number;
  readonly violations: readonly Violation[];
  readonly vitals: readonly Vital[];
}

const program = (name: string) => new URL(`./programs/${name}.ts`, import.meta.url).pathname;
/** Where the layouts of records are mixed: gw1 begins with the one before. */
const PROGRAMS = {
  former: program('former-gateway'),
  next: program('next-gateway'),
  reaper: program('next-reaper'),
};
const LOAD_PER_CORE_MAX = 3;
const CALM_MS = 3_000;
const LOOK_EVERY_MS = 2_000;
const VITALS_EVERY_MS = 5_000;

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { log, store, seed, minutes } = options;
  const figures = figuresOf(options.figures);
  const steps =
    options.steps ??
    planRun(seed, minutes, store, figures).filter(
      ({ kind }) => options.only === undefined || options.only.includes(kind),
    );
  const lab = new Lab({ log });
  const disk = new LogDisk();
  try {
    await bringUp(lab, options, figures, steps, disk);
    const admin = new StoreAdmin(await lab.status(), () => lab.status());
    const rest = (ms: number) =>
      sleep(ms, undefined, options.signal ? { signal: options.signal } : {});
    const windows = new Windows();
    const places = { logFolder: disk.folder, nextProgram: PROGRAMS.next, log };
    return await play({ lab, admin, windows, figures, ...places, sleep: rest }, options, steps);
  } finally {
    await lab.down();
    disk.remove();
  }
}

async function bringUp(
  lab: Lab,
  { store, signal }: ChaosOptions,
  figures: Figures,
  steps: readonly Step[],
  disk: LogDisk,
): Promise<void> {
  const mixed = steps.some(({ kind }) => kind === 'upgrade');
  await lab.up({
    gateways: GATEWAYS,
    storeKind: store,
    config: { cluster: { ...figures }, gateway: { sessionLog: disk.config } },
    ...(mixed ? { apps: { gateway: PROGRAMS.next, reaper: PROGRAMS.reaper } } : {}),
    ...(mixed ? { programs: { gw1: PROGRAMS.former } } : {}),
    ...(signal ? { signal } : {}),
  });
}

/** Traffic, faults, and what they came to. */
async function play(
  stage: Stage,
  { minutes, load = LOAD_DEFAULT, log, steps: given }: ChaosOptions,
  steps: readonly Step[],
): Promise<ChaosResult> {
  const { lab, windows, figures } = stage;
  const traffic = new TrafficRun(lab, windows);
  await traffic.start(load, figures.quarantineMs);
  const endMs = nowMs() + minutes * 60_000;
  await stage.sleep(CALM_MS);
  const vitals = new Vitals();
  const look = () => lab.status().then((status) => vitals.look(status));
  const timer = setInterval(() => void look().catch(() => {}), VITALS_EVERY_MS);
  const crashed = new Set<string>();
  const faults = await perform(stage, steps, {
    endMs,
    all: given !== undefined,
    crashed,
    log,
  }).finally(() => clearInterval(timer));
  await stage.sleep(CALM_MS);
  await traffic.stop();
  const patience = patienceNow(log);
  const leftInStore = await awaitNothingLeft(stage, figures, log);
  const recordsOf = sessionRecords(stage.logFolder);
  const violations = judge(traffic.stories, traffic.conflicts, windows.all, {
    patience,
    recordsOf,
  });
  if (leftInStore > 0) {
    const what = `${leftInStore} keys of flows are left`;
    violations.push({ invariant: 'I5 no leak', what, times: leftInStore, examples: [] });
  }
  if (crashed.size > 0) {
    const what = `${[...crashed].join(', ')} ended by themselves`;
    violations.push({ invariant: 'I8 nothing crashes', what, times: crashed.size, examples: [] });
  }
  const { stories } = traffic;
  const told = { stories, windows: windows.all, vitals: vitals.all };
  return { ...told, faults, leftInStore, violations };
}

/** Three programs that wait for each core make everything slow that is not the kernel. */
function patienceNow(log: ChaosOptions['log']): number {
  const load = loadavg()[0] ?? 0;
  if (load <= LOAD_PER_CORE_MAX * availableParallelism()) return 1;
  log(`the load is ${load.toFixed(1)}: silences may be twice as long`);
  return 2;
}

interface Performance {
  readonly endMs: number;
  /** Every step, however long it takes. */
  readonly all: boolean;
  readonly crashed: Set<string>;
  readonly log: ChaosOptions['log'];
}

/** One after the other, but for those that go together; answers how often each was. */
async function perform(
  stage: Stage,
  steps: readonly Step[],
  { endMs, all, crashed, log }: Performance,
): Promise<Partial<Record<FaultKind, number>>> {
  const counts: Partial<Record<FaultKind, number>> = {};
  const start = nowMs();
  const run = async (step: Step) => {
    counts[step.kind] = (counts[step.kind] ?? 0) + 1;
    const lasts = `${(step.lastsMs / 1_000).toFixed(1)} s`;
    log(`at ${((nowMs() - start) / 1_000).toFixed(1)} s: ${step.kind}, ${lasts}`);
    await FAULTS[step.kind](stage, step);
  };
  for (let at = 0; at < steps.length && (all || nowMs() < endMs); at++) {
    const group = [steps[at]!];
    while (steps[at + 1]?.together) group.push(steps[++at]!);
    await stage.sleep(group[0]!.pauseMs);
    await Promise.all(
      group.map(async (step, behind) => {
        await stage.sleep(behind * 500);
        await run(step);
      }),
    );
    // Each fault mends what it broke.
    const { gateways, reapers, store } = await stage.lab.status();
    for (const { name, pid } of [...gateways, ...reapers, ...store.servers]) {
      if (pid === null) crashed.add(name);
    }
  }
  const leftMs = endMs - nowMs();
  if (leftMs > 0) await stage.sleep(leftMs);
  return counts;
}

/**
 * The clients are gone. With short timeouts published, then one gateway killed and the others
 * stopped in order, everything must go: flows, rows, index members, leases, counts.
 */
async function awaitNothingLeft(
  { lab, admin }: Stage,
  figures: Figures,
  log: (line: string) => void,
): Promise<number> {
  await lab.publish(lastFigures(figures));
  await lab.kill('gw1');
  const endMs = nowMs() + allOverMs(figures);
  let stopped = false;
  for (;;) {
    const left = await admin.left();
    const sum = left.e + left.p + left.n + left.i;
    log(
      `left in the store: ${left.e} entries, ${left.p} blocks, ${left.n} counts, ${left.i} index`,
    );
    if (sum === 0 || nowMs() > endMs) return sum;
    if (left.e === 0 && !stopped) {
      stopped = true;
      for (const name of ['gw2', 'gw3']) await lab.stop(name);
    }
    await sleep(LOOK_EVERY_MS);
  }
}
