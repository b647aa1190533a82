/**
 * Upkeep while the reaper runs: compares the cluster configuration, lets the worker work only while
 * it is ours, and puts back schedulers that got lost. Often until all is well, then now and then,
 * and at once when a connection comes back: a Redis that lost its data lost the schedulers, too.
 */
import type { FlowStore } from '@flowstore/flow-store';
import type { Health } from './health.ts';
import type { JobQueue } from './queue.ts';

const WELL_EVERY_MS = 15_000;
const UNWELL_EVERY_MS = 1_000;

export interface TenderParts {
  readonly store: FlowStore;
  readonly queue: JobQueue;
  readonly health: Health;
  readonly schedule: () => Promise<void>;
  readonly onError: (error: Error) => void;
}

export class Tender {
  readonly #parts: TenderParts;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  /** Asked for while it was busy. */
  #again = false;
  #stopped = false;

  constructor(parts: TenderParts) {
    this.#parts = parts;
  }

  start(): Promise<void> {
    return this.#tend();
  }

  tendNow(): void {
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
    const delayMs = this.#again ? 0 : well ? WELL_EVERY_MS : UNWELL_EVERY_MS;
    this.#again = false;
    this.#timer = setTimeout(() => this.tendNow(), delayMs);
  }

  async #compare(): Promise<boolean> {
    const { store, queue, health, schedule, onError } = this.#parts;
    try {
      const check = await store.checkConfig();
      health.storeAnswered();
      health.configCompared(check);
      await queue.setWorking(check.kind === 'match');
      // With the queue away this would wait for it; its return calls us again.
      if (queue.status === 'ready') await schedule();
      return check.kind === 'match' && queue.status === 'ready';
    } catch (error) {
      health.storeFailed((error as Error).message);
      onError(error as Error);
      return false;
    }
  }
}
