/**
 * The BullMQ side. Each schedule has a job scheduler; whichever reaper is free takes the job. A
 * scheduler has an id of its own, so that any number of reapers may put it there.
 *
 * Jobs carry what they are about: a reaper with another layout can work on them all the same.
 */
import { isDeepStrictEqual } from 'node:util';
import { withoutPassword } from '@flowstore/flow';
import { untilReady } from '@flowstore/flow-store';
import { type Job, Queue, Worker } from 'bullmq';
import { newProbe, newQueueConnection, type QueueConnection } from './queue-connection.ts';
import type { JobData, JobName, JobTemplate, Schedule } from './schedules.ts';
import { within } from './within.ts';

/** The braces keep every key of the queue in one slot of a Redis Cluster. */
export const QUEUE_PREFIX = '{flowstore:reaper}';
export const QUEUE_NAME = 'reaper';
const COMPLETED_JOBS_MAX = 64;
const FAILED_JOBS_MAX = 256;
/** Events of the queue's own stream that are kept: nobody needs their history. */
const QUEUE_EVENTS_MAX = 1_000;
const ATTEMPTS_MAX = 3;
const BACKOFF_MS = 500;
/** A job of a reaper that died is another's after this, at the next look for such jobs. */
const LOCK_MS = 15_000;
const STALLED_EVERY_MS = 5_000;
/** How long a stop waits for jobs at work before it leaves them to the stalled check. */
const CLOSE_TIMEOUT_MS = 4_000;
const FORCED_CLOSE_TIMEOUT_MS = 1_000;

const JOB_OPTIONS = {
  attempts: ATTEMPTS_MAX,
  backoff: { type: 'exponential', delay: BACKOFF_MS },
  removeOnComplete: { count: COMPLETED_JOBS_MAX },
  removeOnFail: { count: FAILED_JOBS_MAX },
} as const;

/** What a job came to: shown on the board, and what the scheduler's next job is like. */
export interface JobResult {
  readonly summary: object;
  readonly next?: JobTemplate;
}

export type Outcome = 'completed' | 'failed' | 'stalled';

/** No connection to the queue's Redis. `code` is stable. */
export class QueueUnavailable extends Error {
  readonly code = 'FLOWSTORE_QUEUE_UNAVAILABLE';
}

export interface JobQueueOptions {
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly concurrency: number;
  /** Of all reapers together. */
  readonly jobsPerSMax?: number | undefined;
  readonly work: (name: JobName, data: JobData) => Promise<JobResult>;
  /** `name` is not known of a job that stalled. */
  readonly onOutcome: (outcome: Outcome, name: string, error?: Error) => void;
  readonly onError: (error: Error) => void;
  /** Each time the connection comes (back). */
  readonly onConnected: () => void;
}

export class JobQueue {
  readonly #options: JobQueueOptions;
  readonly #connection: QueueConnection;
  #queue: Queue<JobData> | null = null;
  #worker: Worker<JobData> | null = null;

  constructor(options: JobQueueOptions) {
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
    const { url, connectTimeoutMs, concurrency, jobsPerSMax, onError } = this.#options;
    await checkQueue(url, connectTimeoutMs);
    await untilReady(this.#connection, connectTimeoutMs).catch((error: Error) => {
      throw unavailable(url, error.message, error);
    });
    const shared = { connection: this.#connection, prefix: QUEUE_PREFIX };
    const streams = { events: { maxLen: QUEUE_EVENTS_MAX } };
    this.#queue = new Queue<JobData>(QUEUE_NAME, { ...shared, streams });
    this.#queue.on('error', onError);
    this.#worker = new Worker<JobData>(QUEUE_NAME, (job) => this.#work(job), {
      ...shared,
      ...(jobsPerSMax !== undefined && { limiter: { max: jobsPerSMax, duration: 1_000 } }),
      autorun: false,
      concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_EVERY_MS,
      // A sweep that lost its reaper is as good as new.
      maxStalledCount: ATTEMPTS_MAX,
    });
    this.#watch(this.#worker);
    this.#connection.on('ready', this.#options.onConnected);
  }

  #watch(worker: Worker<JobData>): void {
    const { onOutcome, onError } = this.#options;
    worker.on('error', onError);
    worker.on('completed', ({ name }) => onOutcome('completed', name));
    worker.on('stalled', () => onOutcome('stalled', ''));
    worker.on('failed', (job, error) => onOutcome('failed', job?.name ?? '', error));
  }

  /** Works on it, and gives its scheduler what the next job has to know, if that is news. */
  async #work({ name, data, opts, repeatJobKey }: Job<JobData>): Promise<object> {
    const { summary, next } = await this.#options.work(name as JobName, data);
    const queue = this.#queue;
    if (next === undefined || repeatJobKey === undefined || queue === null) return summary;
    const isNews = next.priority !== opts.priority || !isDeepStrictEqual(next.data, data);
    const scheduler = isNews ? await queue.getJobScheduler(repeatJobKey) : undefined;
    // Taken away meanwhile: it is not put back.
    if (scheduler?.every === undefined) return summary;
    await this.#put({ id: repeatJobKey, name: name as JobName, ...next }, Number(scheduler.every));
    return summary;
  }

  async #put({ id, name, data, priority }: Omit<Schedule, 'everyMs'>, everyMs: number) {
    const template = { name, data, opts: { ...JOB_OPTIONS, priority } };
    await this.#queue?.upsertJobScheduler(id, { every: everyMs }, template);
  }

  /** Whether to take jobs; it does not until it is told to. */
  async setWorking(working: boolean): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    if (!working) {
      if (worker.isRunning() && !worker.isPaused()) await worker.pause(true);
    } else if (worker.isPaused()) {
      // One whose loop ended while it was paused would refuse to run.
      worker.resume().catch(this.#options.onError);
    } else if (!worker.isRunning()) {
      worker.run().catch(this.#options.onError);
    }
  }

  /**
   * Puts a scheduler for each schedule there, leaves alone what runs already, and takes away those
   * of another layout. A scheduler whose next run is long past has lost its job (a reaper that died
   * between two commands) and is put there anew.
   */
  async schedule(schedules: readonly Schedule[]): Promise<void> {
    const queue = this.#queue;
    if (queue === null) return;
    const wanted = new Map(schedules.map((schedule) => [schedule.id, schedule]));
    // BullMQ plans by the wall clock of whoever puts the job there.
    const nowMs = Date.now();
    for (const { key, every, next = 0 } of await queue.getJobSchedulers()) {
      const schedule = wanted.get(key);
      if (schedule === undefined) {
        await queue.removeJobScheduler(key);
        continue;
      }
      const { everyMs } = schedule;
      const isStuck = next <= nowMs - Math.max(10 * everyMs, LOCK_MS);
      if (Number(every) === everyMs && !isStuck) wanted.delete(key);
    }
    for (const schedule of wanted.values()) await this.#put(schedule, schedule.everyMs);
  }

  /** For the board; null before it is connected. */
  get queue(): Queue<JobData> | null {
    return this.#queue;
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
    await untilReady(redis, timeoutMs);
    await redis.ping();
  } catch (error) {
    throw unavailable(url, reason, error);
  } finally {
    redis.disconnect();
  }
}

function unavailable(url: string, reason: string, cause: unknown): QueueUnavailable {
  const message = `no connection to the queue's Redis at ${withoutPassword(url)}: ${reason}`;
  return new QueueUnavailable(message, { cause });
}
