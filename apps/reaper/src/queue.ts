/**
 * The BullMQ side. Each set of shards has a job scheduler; whichever reaper is free takes the job.
 * A scheduler has an id of its own, so that any number of reapers may put it there.
 *
 * Jobs carry their shards: a reaper with another layout, or an older one, can work on them all the
 * same.
 */
import { withoutPassword } from '@flowstore/flow';
import { Queue, Worker } from 'bullmq';
import { newProbe, newQueueConnection, type QueueConnection } from './queue-connection.ts';
import { within } from './within.ts';

/** The braces keep every key of the queue in one slot of a Redis Cluster. */
export const QUEUE_PREFIX = '{flowstore:reaper}';
export const QUEUE_NAME = 'sweep';
const COMPLETED_JOBS_MAX = 64;
const FAILED_JOBS_MAX = 256;
/** Events of the queue's own stream that are kept: nobody needs the history of sweeps. */
const QUEUE_EVENTS_MAX = 1_000;
const ATTEMPTS_MAX = 3;
const BACKOFF_MS = 500;
/** A job of a reaper that died is another's after this. */
const LOCK_MS = 15_000;
/** How long a stop waits for jobs at work before it leaves them to the stalled check. */
const CLOSE_TIMEOUT_MS = 4_000;
const FORCED_CLOSE_TIMEOUT_MS = 1_000;

const JOB_OPTIONS = {
  attempts: ATTEMPTS_MAX,
  backoff: { type: 'exponential', delay: BACKOFF_MS },
  removeOnComplete: { count: COMPLETED_JOBS_MAX },
  removeOnFail: { count: FAILED_JOBS_MAX },
} as const;

export interface SweepJob {
  readonly shards: readonly number[];
}

/** No connection to the queue's Redis. `code` is stable. */
export class QueueUnavailable extends Error {
  readonly code = 'FLOWSTORE_QUEUE_UNAVAILABLE';
}

export interface SweepQueueOptions {
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly concurrency: number;
  readonly work: (shards: readonly number[]) => Promise<unknown>;
  readonly onOutcome: (outcome: 'completed' | 'failed' | 'stalled', error?: Error) => void;
  readonly onError: (error: Error) => void;
  /** Each time the connection comes (back). */
  readonly onConnected: () => void;
}

export class SweepQueue {
  readonly #options: SweepQueueOptions;
  readonly #connection: QueueConnection;
  #queue: Queue<SweepJob> | null = null;
  #worker: Worker<SweepJob> | null = null;

  constructor(options: SweepQueueOptions) {
    this.#options = options;
    this.#connection = newQueueConnection(options.url);
    this.#connection.on('error', options.onError);
  }

  /** The connection's: "ready" when it is. */
  get status(): string {
    return this.#connection.status;
  }

  /** Rejects with QueueUnavailable where nobody answers in time. */
  async connect(): Promise<void> {
    const { url, connectTimeoutMs, concurrency, work, onError } = this.#options;
    await checkQueue(url, connectTimeoutMs);
    await this.#connection.connect();
    const shared = { connection: this.#connection, prefix: QUEUE_PREFIX };
    const streams = { events: { maxLen: QUEUE_EVENTS_MAX } };
    this.#queue = new Queue<SweepJob>(QUEUE_NAME, { ...shared, streams });
    this.#queue.on('error', onError);
    this.#worker = new Worker<SweepJob>(QUEUE_NAME, ({ data }) => work(data.shards), {
      ...shared,
      autorun: false,
      concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: LOCK_MS,
      // A sweep that lost its reaper is as good as new.
      maxStalledCount: ATTEMPTS_MAX,
    });
    this.#watch(this.#worker);
    this.#connection.on('ready', this.#options.onConnected);
  }

  #watch(worker: Worker<SweepJob>): void {
    const { onOutcome, onError } = this.#options;
    worker.on('error', onError);
    worker.on('completed', () => onOutcome('completed'));
    worker.on('stalled', () => onOutcome('stalled'));
    worker.on('failed', (_, error) => onOutcome('failed', error));
  }

  /** Whether to take jobs; it does not until it is told to. */
  async setWorking(working: boolean): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    if (!working) {
      if (worker.isRunning() && !worker.isPaused()) await worker.pause(true);
    } else if (!worker.isRunning()) {
      worker.run().catch(this.#options.onError);
    } else if (worker.isPaused()) {
      worker.resume();
    }
  }

  /**
   * Puts a scheduler for each set there, leaves alone what runs already, and takes away those of
   * another layout. A scheduler whose next run is long past has lost its job (a reaper that died
   * between two commands) and is put there anew.
   */
  async schedule(sets: readonly (readonly number[])[], everyMs: number): Promise<void> {
    const queue = this.#queue;
    if (queue === null) return;
    const wanted = new Map(sets.map((shards, set) => [`set-${set}-of-${sets.length}`, shards]));
    // BullMQ plans by the wall clock of whoever puts the job there.
    const stuckBeforeMs = Date.now() - Math.max(10 * everyMs, LOCK_MS);
    const healthy = new Set<string>();
    for (const { key, every, next = 0 } of await queue.getJobSchedulers()) {
      if (!wanted.has(key)) await queue.removeJobScheduler(key);
      else if (Number(every) === everyMs && next > stuckBeforeMs) healthy.add(key);
    }
    for (const [id, shards] of wanted) {
      if (healthy.has(id)) continue;
      const template = { name: QUEUE_NAME, data: { shards }, opts: JOB_OPTIONS };
      await queue.upsertJobScheduler(id, { every: everyMs }, template);
    }
  }

  /** Waits for the jobs at work, but not for a Redis that is away; false if that was the case. */
  async close(): Promise<boolean> {
    this.#connection.off('ready', this.#options.onConnected);
    const worker = this.#worker;
    if (worker === null || this.#queue === null) {
      this.#connection.disconnect();
      return true;
    }
    const graceful = this.status === 'ready' && (await within(worker.close(), CLOSE_TIMEOUT_MS));
    if (!graceful) await within(worker.close(true), FORCED_CLOSE_TIMEOUT_MS);
    await within(this.#queue.close(), FORCED_CLOSE_TIMEOUT_MS);
    this.#connection.disconnect();
    return graceful;
  }
}

async function checkQueue(url: string, timeoutMs: number): Promise<void> {
  const redis = newProbe(url, timeoutMs);
  let reason = `no answer within ${timeoutMs} ms`;
  redis.on('error', (error) => {
    reason = error.message;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    const message = `no connection to the queue's Redis at ${withoutPassword(url)}: ${reason}`;
    throw new QueueUnavailable(message, { cause: error });
  } finally {
    redis.disconnect();
  }
}
