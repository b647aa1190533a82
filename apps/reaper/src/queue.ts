/**
 * The BullMQ side. Each set of shards has a job scheduler; whichever reaper is free takes the job.
 * A scheduler has an id of its own, so that any number of reapers may put it there.
 *
 * Jobs carry their shards: a reaper with another layout, or an older one, works on them all the same.
 */
import { type Job, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

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
const RECONNECT_MS_MAX = 2_000;

export interface SweepJob {
  readonly shards: readonly number[];
}

/** No connection to the queue's Redis. `code` is stable. */
export class QueueUnavailable extends Error {
  readonly code = 'FLOWSTORE_QUEUE_UNAVAILABLE';
}

/**
 * A connection as BullMQ wants it: commands wait for a reconnect instead of failing
 * (maxRetriesPerRequest null), which is safe because every job may run twice.
 */
export function connectQueue(url: string): Redis {
  return new Redis(url, {
    maxRetriesPerRequest: null,
    lazyConnect: true,
    retryStrategy: (times) => Math.min(times * 100, RECONNECT_MS_MAX),
  });
}

/** Says within `timeoutMs` whether the Redis behind the queue answers; rejects with the reason. */
export async function checkQueue(url: string, timeoutMs: number): Promise<void> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    retryStrategy: () => null,
  });
  let reason = 'no answer';
  redis.on('error', (error) => {
    reason = error.message;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    throw new QueueUnavailable(`no connection to the queue's Redis at ${url}: ${reason}`, {
      cause: error,
    });
  } finally {
    redis.disconnect();
  }
}

export function createQueue(connection: Redis): Queue<SweepJob> {
  return new Queue<SweepJob>(QUEUE_NAME, {
    connection,
    prefix: QUEUE_PREFIX,
    streams: { events: { maxLen: QUEUE_EVENTS_MAX } },
  });
}

/** Does not run yet: call run() once its listeners are there. */
export function createWorker(
  connection: Redis,
  concurrency: number,
  work: (job: Job<SweepJob>) => Promise<unknown>,
): Worker<SweepJob> {
  return new Worker<SweepJob>(QUEUE_NAME, work, {
    connection,
    prefix: QUEUE_PREFIX,
    autorun: false,
    concurrency,
    lockDuration: LOCK_MS,
    stalledInterval: LOCK_MS,
    // A sweep that lost its reaper is as good as new; the next tick would repeat it anyway.
    maxStalledCount: ATTEMPTS_MAX,
  });
}

const JOB_OPTIONS = {
  attempts: ATTEMPTS_MAX,
  backoff: { type: 'exponential', delay: BACKOFF_MS },
  removeOnComplete: { count: COMPLETED_JOBS_MAX },
  removeOnFail: { count: FAILED_JOBS_MAX },
} as const;

/**
 * Puts the schedulers of `sets` there, leaves alone what runs already, and takes away those of
 * another layout. A scheduler whose next run is long past has lost its job (a Redis that came back
 * without its data, a reaper that died between two commands) and is put there anew.
 */
export async function ensureSchedulers(
  queue: Queue<SweepJob>,
  sets: readonly (readonly number[])[],
  everyMs: number,
  nowMs: number,
): Promise<void> {
  const wanted = new Map(sets.map((shards, set) => [`set-${set}-of-${sets.length}`, shards]));
  const stuckBeforeMs = nowMs - Math.max(10 * everyMs, LOCK_MS);
  const healthy = new Set<string>();
  for (const { key, every, next = 0 } of await queue.getJobSchedulers()) {
    if (!wanted.has(key)) await queue.removeJobScheduler(key);
    else if (Number(every) === everyMs && next > stuckBeforeMs) healthy.add(key);
  }
  for (const [id, shards] of wanted) {
    if (healthy.has(id)) continue;
    const template = { name: QUEUE_NAME, data: { shards: [...shards] }, opts: JOB_OPTIONS };
    await queue.upsertJobScheduler(id, { every: everyMs }, template);
  }
}
