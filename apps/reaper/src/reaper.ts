/**
 * A reaper: a worker that does the jobs it is given, the schedulers that give them out, and the
 * HTTP side. Any number of them may run.
 *
 * ```
 *   scheduler per shard --sweep--> worker --sweep(shard) until nothing is due--> flow store
 *   two more   --trim, audit-->      |
 *   (in the queue's Redis)           +--> metrics, readiness, board
 * ```
 */
import { connectRedisStore, type Release } from '@flowstore/flow-store';
import {
  createRegistry,
  type HttpServer,
  type Logger,
  LogLimit,
  type Running,
  startHttp,
} from '@flowstore/service';
import { BOARD_PATH, mountBoard } from './board.ts';
import { CallSize } from './call-size.ts';
import type { ReaperConfig } from './config.ts';
import { ConfigWatch, refuseMismatch } from './config-watch.ts';
import { Health } from './health.ts';
import { workOn } from './jobs.ts';
import { createMetrics } from './metrics.ts';
import { Overdue } from './overdue.ts';
import { JobQueue } from './queue.ts';
import { schedulesOf } from './schedules.ts';
import { Tender } from './tender.ts';

const LOG_EVERY_MS = 10_000;

export interface Reaper extends Running {
  readonly url: string;
}

export interface ReaperParts {
  readonly config: ReaperConfig;
  readonly version: string;
  readonly log: Logger;
  /** Of tests: another release than this one. */
  readonly release?: Release;
}

/**
 * Rejects with StoreUnavailable, QueueUnavailable, HttpListenError or, where the deployment runs
 * with another cluster configuration, ConfigError.
 */
export async function startReaper(parts: ReaperParts): Promise<Reaper> {
  const { config, version, log, release } = parts;
  const { sweep, redis, queueUrl = redis.url } = config;
  const nowMs = () => performance.now();
  const limit = new LogLimit({ log, everyMs: LOG_EVERY_MS, nowMs });
  const complain = (what: string) => (error: Error) => limit.warn({ err: error.message }, what);
  const aborter = new AbortController();
  let tender: Tender | undefined;
  let http: HttpServer | undefined;
  const overdue = new Overdue(nowMs);
  const registry = createRegistry({ app: 'reaper', version });
  const health: Health = new Health(() => queue.status);
  const size = new CallSize(sweep);
  const ready = () => health.reasons().length === 0;
  const metrics = createMetrics(registry, { overdue, size, ready });

  const store = await connectRedisStore({
    ...redis,
    ...(release && { release }),
    config: config.cluster,
    onState: (state, reason) => {
      if (state === 'down') health.storeFailed(reason);
      else tender?.tendNow();
    },
  });
  const watch = new ConfigWatch(store, nowMs);
  const stopping = aborter.signal;
  const job = { config, log, size, health, metrics, overdue, nowMs, stopping };
  const queue: JobQueue = new JobQueue({
    url: queueUrl,
    connectTimeoutMs: redis.connectTimeoutMs,
    concurrency: sweep.concurrency,
    jobsPerSMax: config.jobsPerSMax,
    work: (name, data) => workOn({ ...job, store: watch.guarded() }, name, data),
    onOutcome(outcome, name, error) {
      metrics.jobs.inc({ job: name, outcome });
      if (error !== undefined) complain('job failed')(error);
    },
    onError: complain('queue: error'),
    onConnected: () => tender?.tendNow(),
  });
  const stop = async () => {
    aborter.abort();
    tender?.stop();
    const graceful = await queue.close();
    if (!graceful) log.warn('the queue does not answer: jobs at work go to the stalled check');
    await Promise.all([store.end(), http?.close()]);
  };
  try {
    refuseMismatch(await store.deployment(), config.cluster);
    await queue.connect();
    const board = queue.queue;
    http = await startHttp({ ...config.http, registry, ready: () => health.reasons() }, (app) =>
      board === null ? undefined : mountBoard(app, board, config.board),
    );
    const schedule = () => queue.schedule(schedulesOf(config));
    tender = new Tender({ watch, queue, health, schedule, onError: complain('upkeep failed') });
    await tender.start();
  } catch (error) {
    await stop();
    throw error;
  }
  const { sets, everyMs } = sweep;
  log.info({ url: http.url, board: BOARD_PATH, sets, everyMs }, 'sweeping');
  return { log, url: http.url, stop };
}
