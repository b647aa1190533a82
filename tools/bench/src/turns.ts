/**
 * Turns of the event loop, and what they cost.
 *
 * ```
 *   timers fire -> (I/O) -> setImmediate: ours, which polls       one turn, and one tick
 *        ^                       |
 *        +-----------------------+
 * ```
 *
 * A turn that took something out is followed by the next one at once, any other one by a pause of
 * a millisecond. What the meter and the pauses cost by themselves is measured beforehand, with
 * nothing to do, and is not counted; polling in vain is.
 */
import { processCpuNs, threadCpuNs } from './cpu.ts';
import { median } from './figures.ts';

export interface TurnCosts {
  /** CPU of all threads, beside what as many turns cost that do nothing. */
  readonly cpuNs: number;
  /** This thread's CPU in the longest turn. */
  readonly longestNs: number;
}

/** CPU of a turn that does nothing, with a pause before it and without. */
export interface EmptyTurns {
  readonly pausedNs: number;
  readonly promptNs: number;
}

const EMPTY_TURNS = 101;

export async function meterEmptyTurns(): Promise<EmptyTurns> {
  const costNs = async (isPaused: boolean) => {
    const turnsNs: number[] = [];
    for (let turn = 0; turn < EMPTY_TURNS; turn++) {
      const startNs = threadCpuNs();
      if (isPaused) await pause();
      await new Promise(setImmediate);
      turnsNs.push(threadCpuNs() - startNs);
    }
    return median(turnsNs);
  };
  return { pausedNs: await costNs(true), promptNs: await costNs(false) };
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 1));

/**
 * Turns the loop until `step`, which is called once per turn and tells how many flows are left,
 * tells no more than `remaining`. Throws when that takes until `limitMs` (performance.now).
 */
export async function meterTurns(
  step: () => number,
  remaining: number,
  limitMs: number,
  empty: EmptyTurns,
): Promise<TurnCosts> {
  let emptyNs = 0;
  let isPaused = false;
  let longestNs = 0;
  let left = step();
  const startNs = processCpuNs();
  let previousNs = threadCpuNs();
  while (left > remaining) {
    if (performance.now() > limitMs) throw new Error(`${left - remaining} flows did not expire`);
    await new Promise(setImmediate);
    const before = left;
    left = step();
    const nowNs = threadCpuNs();
    const turnNs = nowNs - previousNs;
    previousNs = nowNs;
    emptyNs += isPaused ? empty.pausedNs : empty.promptNs;
    longestNs = Math.max(longestNs, turnNs);
    isPaused = left === before;
    if (isPaused) await pause();
  }
  return { cpuNs: processCpuNs() - startNs - emptyNs, longestNs };
}
