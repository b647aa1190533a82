/** One run of one contestant: every measure, one after the other, in a process of its own. */
import { type Contestant, clockMs } from './contestants/contestant.ts';
import { processCpuNs } from './cpu.ts';
import type { Figures } from './figures.ts';
import { type EmptyTurns, meterEmptyTurns, meterTurns } from './turns.ts';
import { Deadlines, EXPIRING_MAX, newLookups, shuffled } from './workload.ts';

export interface RunOptions {
  readonly flows: number;
  readonly lookups: number;
  /** How long after the first insert the first flow expires: all else must be done by then. */
  readonly allowanceMs: number;
}

/** `busyMs` is what the phases before the expiry took. */
export type RunResult = (Figures & { readonly busyMs: number }) | { readonly lateMs: number };

export type NewContestant = (deadlines: Deadlines) => Contestant;

/** Inserts between two turns of the event loop. */
const BATCH = 256;
/** Lookups between two looks at the clock: packets that are read, and announced, at once. */
const LOOKUPS_PER_BATCH = 64;
/** A million a second. */
const EXPIRING_PER_MS = 1_000;
const WARM_FLOWS = 8_000;
const WARM_LOOKUPS = 100_000;
const WARM_ROUNDS = 4;
const WARM_WINDOW_MS = 30;
/** After so long beyond their deadlines, flows that are left are a mistake. */
const PATIENCE_MS = 60_000;

export async function measure(make: NewContestant, options: RunOptions): Promise<RunResult> {
  const { flows, lookups, allowanceMs } = options;
  const expiring = Math.min(flows, EXPIRING_MAX);
  const order = shuffled(flows);
  const { random, hot, missing } = newLookups(flows, lookups);
  const empty = await meterEmptyTurns();
  const warm = await warmUp(make, empty);
  collectGarbage();

  const rssBefore = process.memoryUsage.rss();
  const startMs = clockMs();
  const deadlines = new Deadlines(startMs + allowanceMs, Math.ceil(expiring / EXPIRING_PER_MS));
  const contestant = make(deadlines);
  let cpuNs = processCpuNs();
  await insertAll(contestant, order);
  const insertCpuNs = (processCpuNs() - cpuNs) / flows;
  collectGarbage();
  const bytesPerFlow = (process.memoryUsage.rss() - rssBefore) / flows;
  const lateMs = () => clockMs() - deadlines.expireAtMs;
  if (lateMs() >= 0) return { lateMs: lateMs() };
  if (contestant.size !== flows) throw new Error(`${contestant.size} flows are left of ${flows}`);

  const touch = (numbers: Uint32Array, isThere: boolean, announces = true) => {
    cpuNs = processCpuNs();
    const found = touchAll(contestant, numbers, announces);
    const perLookupNs = (processCpuNs() - cpuNs) / numbers.length;
    const expected = isThere ? numbers.length : 0;
    // Too late is told below.
    if (found !== expected && clockMs() < deadlines.expireAtMs) {
      throw new Error(`${found} flows found instead of ${expected}`);
    }
    return perLookupNs;
  };
  const lookupTouchAloneNs = touch(random, true, false);
  const lookupTouchNs =
    contestant.announce === undefined ? lookupTouchAloneNs : touch(random, true);
  const lookupTouchHotNs = touch(hot, true);
  const lookupMissNs = touch(missing, false);
  if (lateMs() >= 0) return { lateMs: lateMs() };
  const busyMs = clockMs() - startMs;

  const limitMs = deadlines.endMs + PATIENCE_MS;
  const expiry = await meterTurns(turnOf(contestant), flows - expiring, limitMs, empty);
  if (warm.some(({ size }) => size > 0)) throw new Error('flows of the warm-up are left');
  return {
    flows,
    insertCpuNs,
    lookupTouchNs,
    lookupTouchAloneNs,
    lookupTouchHotNs,
    lookupMissNs,
    bytesPerFlow,
    expireCpuNs: expiry.cpuNs / expiring,
    maxStallMs: expiry.longestNs / 1e6,
    busyMs,
  };
}

/**
 * All phases on a small table, so that the figures are those of compiled code. Resolves with
 * contestants to be kept: V8 drops code that was compiled for objects that are gone.
 */
async function warmUp(make: NewContestant, empty: EmptyTurns): Promise<readonly Contestant[]> {
  const kept: Contestant[] = [];
  const order = shuffled(WARM_FLOWS);
  const { random, missing } = newLookups(WARM_FLOWS, WARM_LOOKUPS);
  for (let round = 0; round < WARM_ROUNDS; round++) {
    const found = make(new Deadlines(clockMs() + PATIENCE_MS, WARM_WINDOW_MS));
    await insertAll(found, order);
    touchAll(found, random, false);
    touchAll(found, random, true);
    touchAll(found, missing, true);
    found.close();
    const expiring = make(new Deadlines(clockMs() + WARM_WINDOW_MS, WARM_WINDOW_MS));
    await insertAll(expiring, order);
    await meterTurns(turnOf(expiring), 0, clockMs() + PATIENCE_MS, empty);
    kept.push(found, expiring);
  }
  return kept;
}

function turnOf(contestant: Contestant): () => number {
  return () => {
    contestant.poll(clockMs());
    return contestant.size;
  };
}

async function insertAll(contestant: Contestant, order: Uint32Array): Promise<void> {
  for (let at = 0; at < order.length; at += BATCH) {
    const end = Math.min(at + BATCH, order.length);
    const nowMs = clockMs();
    for (let i = at; i < end; i++) contestant.insert(order[i]!, nowMs);
    // As between packets: the loop's clock, which timers are counted from, stands still until then.
    await new Promise(setImmediate);
  }
}

function touchAll(contestant: Contestant, numbers: Uint32Array, announces: boolean): number {
  let found = 0;
  for (let from = 0; from < numbers.length; from += LOOKUPS_PER_BATCH) {
    const to = Math.min(from + LOOKUPS_PER_BATCH, numbers.length);
    const nowMs = clockMs();
    if (announces) contestant.announce?.(numbers, from, to);
    for (let i = from; i < to; i++) {
      if (contestant.touch(numbers[i]!, (i & 1) === 1, nowMs)) found++;
    }
  }
  return found;
}

function collectGarbage(): void {
  globalThis.gc?.();
}
