/**
 * A reaper: a worker that sweeps the sets of shards it is given, the schedulers that give them out,
 * and the HTTP side. Any number of them may run.
 *
 * ```
 *   scheduler per set --job--> worker --sweep(shard) until nothing is due--> flow store
 *   (in the queue's Redis)       |
 *                                +--> metrics, readiness
 * ```
 */
import { SHARDS } from '@flowstore/flow';
import type { FlowStore } from '@flowstore/flow-store';
import { createRegistry, type Logger, LogLimit, type Running, startHttp } from '@flowstore/service';
import type { Queue, Worker } from 'bullmq';
import type { ReaperConfig } from './config.ts';
import { Health } from './health.ts';
import { createMetrics } from './metrics.ts';
import { Overdue } from './overdue.ts';
import {
  checkQueue,
  connectQueue,
  createQueue,
  createWorker,
  ensureSchedulers,
  type SweepJob,
} from './queue.ts';
import { shardSets } from './sweep.ts';
import { runSweepJob } from './sweep-job.ts';
import { within } from './within.ts';

const LOG_EVERY_MS = 10_000;
/** How often the schedulers are looked after. */
const SCHEDULERS_EVERY_MS = 15_000;
/** How long a stop waits for jobs at work before it leaves them to the stalled check. */
const CLOSE_TIMEOUT_MS = 4_000;

export interface Reaper extends Running {
  readonly url: string;
}

export interface ReaperParts {
  readonly config: ReaperConfig;
  readonly version: string;
  readonly log: Logger;
  /** The reaper ends it: when it stops, and when it can't start. */
  readonly store: FlowStore;
}

/** Rejects with QueueUnavailable or HttpListenError when it can't start. */
export async function startReaper({ config, version, log, store }: ReaperParts): Promise<Reaper> {
  const { sweep, redis, queueUrl = redis.url } = config;
  const nowMs = () => performance.now();
  const limit = new LogLimit({ log, everyMs: LOG_EVERY_MS, nowMs });
  const complain = (error: Error) => limit.warn({ err: error.message }, 'queue: error');
  const connection = connectQueue(queueUrl);
  connection.on('error', complain);

  const overdue = new Overdue(nowMs);
  const health = new Health(() => connection.status);
  const registry = createRegistry({ app: 'reaper', version });
  const metrics = createMetrics(registry, overdue);
  const ready = () => health.reasons();
  metrics.gauge('ready', 'Whether it can sweep: 1 or 0', () => (ready().length === 0 ? 1 : 0));

  const open = async () => {
    await checkQueue(queueUrl, redis.connectTimeoutMs);
    await connection.connect();
    return startHttp({ ...config.http, registry, ready });
  };
  const http = await open().catch(async (error) => {
    connection.disconnect();
    await store.end();
    throw error;
  });

  const aborter = new AbortController();
  const stopping = aborter.signal;
  const parts = { store, limits: sweep, health, metrics, overdue, nowMs, stopping };
  const queue = createQueue(connection);
  const worker = createWorker(connection, sweep.concurrency, ({ data }) =>
    runSweepJob(parts, data.shards),
  );
  queue.on('error', complain);
  worker.on('error', complain);
  worker.on('completed', () => metrics.jobs.inc({ outcome: 'completed' }));
  worker.on('stalled', () => metrics.jobs.inc({ outcome: 'stalled' }));
  worker.on('failed', (job, error) => {
    metrics.jobs.inc({ outcome: 'failed' });
    limit.warn({ job: job?.id, err: error.message }, 'sweep failed');
  });
  const sets = shardSets(SHARDS, sweep.sets);
  const schedule = () => ensureSchedulers(queue, sets, sweep.everyMs, Date.now()).catch(complain);
  await schedule();
  // A Redis that lost its data has lost the schedulers, too.
  connection.on('ready', schedule);
  const timer = setInterval(schedule, SCHEDULERS_EVERY_MS);
  worker.run().catch(complain);
  log.info({ url: http.url, sets: sweep.sets, everyMs: sweep.everyMs }, 'sweeping');

  const stop = async () => {
    aborter.abort();
    clearInterval(timer);
    connection.off('ready', schedule);
    await closeQueue(queue, worker, log);
    connection.disconnect();
    await Promise.all([store.end(), http.close()]);
  };
  return { log, url: http.url, stop };
}

/** Waits for the jobs at work, but not for a Redis that is away. */
async function closeQueue(
  queue: Queue<SweepJob>,
  worker: Worker<SweepJob>,
  log: Logger,
): Promise<void> {
  if (!(await within(worker.close(), CLOSE_TIMEOUT_MS))) {
    log.warn('the queue does not answer: jobs at work are left to the stalled check');
    await within(worker.close(true), CLOSE_TIMEOUT_MS / 4);
  }
  await within(queue.close(), CLOSE_TIMEOUT_MS / 4);
}
