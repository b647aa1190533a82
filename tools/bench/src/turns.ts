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
 * a millisecond. What an idle turn costs, pause and meter included, is not counted.
 */
import { processCpuNs, threadCpuNs } from './cpu.ts';
import { median } from './figures.ts';

export interface TurnCosts {
  /** CPU of all threads, beside what as many idle turns cost. */
  readonly cpuNs: number;
  /** This thread's CPU in the longest turn. */
  readonly longestNs: number;
}

/**
 * Turns the loop until `step`, which is called once per turn and tells how many flows are left,
 * tells no more than `remaining`. Throws when that takes until `limitMs` (performance.now).
 */
export async function meterTurns(
  step: () => number,
  remaining: number,
  limitMs: number,
): Promise<TurnCosts> {
  const idleTurnsNs: number[] = [];
  let turns = 0;
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
    turns++;
    longestNs = Math.max(longestNs, turnNs);
    if (left !== before) continue;
    idleTurnsNs.push(turnNs);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const idleNs = idleTurnsNs.length === 0 ? 0 : turns * median(idleTurnsNs);
  return { cpuNs: processCpuNs() - startNs - idleNs, longestNs };
}
