// The one place that lets time pass: everything else waits for a condition, with a limit.
import { setTimeout as delay } from 'node:timers/promises';
import { LabError } from './errors.ts';

export type WaitOptions = { everyMs?: number; signal?: AbortSignal };

/**
 * Calls `probe` until it answers something truthy, and returns that. Throws LAB_FAILED when
 * `timeoutMs` has passed first; what the probe throws ends the wait at once.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs: number,
  options: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const answer = await probe();
    if (answer) return answer as Exclude<T, false | null | undefined | 0 | ''>;
    if (performance.now() >= end) {
      throw new LabError('LAB_FAILED', `waited ${timeoutMs} ms in vain for ${what}`);
    }
    await delay(options.everyMs ?? 20, undefined, options.signal ? { signal: options.signal } : {});
  }
}
