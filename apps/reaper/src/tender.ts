/**
 * Upkeep while the reaper runs: follows the cluster configuration, lets the worker work only while
 * it goes by it, and puts back schedulers that got lost. Often until all is well, then now and
 * then, and at once when a connection comes back: a Redis that lost its data lost them, too.
 */
import type { ConfigWatch } from './config-watch.ts';
import type { Health } from './health.ts';
import type { JobQueue } from './queue.ts';

const UNWELL_EVERY_MS = 1_000;
/** Schedulers are looked after less often than the configuration. */
const SCHEDULE_EVERY_MS = 15_000;

export interface TenderParts {
  readonly watch: ConfigWatch;
  readonly queue: JobQueue;
  readonly health: Health;
  readonly schedule: () => Promise<void>;
  readonly onError: (error: Error) => void;
}

export class Tender {
  readonly #parts: TenderParts;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  /** Since the schedulers were looked after. */
  #sinceMs = Number.POSITIVE_INFINITY;
  /** Asked for while it was busy. */
  #again = false;
  #stopped = false;

  constructor(parts: TenderParts) {
    this.#parts = parts;
  }

  start(): Promise<void> {
    return this.#tend();
  }

  /** All of it: a connection came back. */
  tendNow(): void {
    this.#sinceMs = Number.POSITIVE_INFINITY;
    void this.#tend();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #tend(): Promise<void> {
    if (this.#stopped) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    clearTimeout(this.#timer);
    const well = await this.#compare();
    this.#busy = false;
    if (this.#stopped) return;
    const delayMs = this.#again ? 0 : well ? this.#parts.watch.everyMs : UNWELL_EVERY_MS;
    const isCalm = well && !this.#again;
    this.#sinceMs = isCalm ? this.#sinceMs + delayMs : Number.POSITIVE_INFINITY;
    this.#again = false;
    this.#timer = setTimeout(() => void this.#tend(), delayMs);
  }

  async #compare(): Promise<boolean> {
    const { watch, queue, health, schedule, onError } = this.#parts;
    try {
      const problem = await watch.look();
      health.storeAnswered();
      health.configCompared(problem);
      await queue.setWorking(problem === null);
      // With the queue away this would wait for it; its return calls us again.
      if (queue.status === 'ready' && this.#sinceMs >= SCHEDULE_EVERY_MS) {
        await schedule();
        this.#sinceMs = 0;
      }
      return problem === null && queue.status === 'ready';
    } catch (error) {
      health.storeFailed((error as Error).message);
      onError(error as Error);
      return false;
    }
  }
}
