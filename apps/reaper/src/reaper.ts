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
import { connectRedisStore, type FlowStore } from '@flowstore/flow-store';
import {
  ConfigError,
  createRegistry,
  type HttpServer,
  type Logger,
  LogLimit,
  type Running,
  startHttp,
} from '@flowstore/service';
import type { ReaperConfig } from './config.ts';
import { Health } from './health.ts';
import { createMetrics } from './metrics.ts';
import { Overdue } from './overdue.ts';
import { SweepQueue } from './queue.ts';
import { shardSets } from './sweep.ts';
import { runSweepJob } from './sweep-job.ts';
import { Tender } from './tender.ts';

const LOG_EVERY_MS = 10_000;

export interface Reaper extends Running {
  readonly url: string;
}

export interface ReaperParts {
  readonly config: ReaperConfig;
  readonly version: string;
  readonly log: Logger;
}

/**
 * Rejects with StoreUnavailable, QueueUnavailable, HttpListenError or, where the deployment runs
 * with another cluster configuration, ConfigError.
 */
export async function startReaper({ config, version, log }: ReaperParts): Promise<Reaper> {
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
  const metrics = createMetrics(registry, overdue, () => health.reasons().length === 0);

  const store = await connectRedisStore({
    ...redis,
    config: config.cluster,
    onState: (state, reason) => {
      if (state === 'down') health.storeFailed(reason);
      else tender?.tendNow();
    },
  });
  const job = { limits: sweep, health, metrics, overdue, nowMs, stopping: aborter.signal };
  const queue: SweepQueue = new SweepQueue({
    url: queueUrl,
    connectTimeoutMs: redis.connectTimeoutMs,
    concurrency: sweep.concurrency,
    work: (shards) => runSweepJob({ ...job, store }, shards),
    onOutcome(outcome, error) {
      metrics.jobs.inc({ outcome });
      if (error !== undefined) complain('sweep failed')(error);
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
    await refuseMismatch(store);
    await queue.connect();
    http = await startHttp({ ...config.http, registry, ready: () => health.reasons() });
    const sets = shardSets(SHARDS, sweep.sets);
    const schedule = () => queue.schedule(sets, sweep.everyMs);
    tender = new Tender({ store, queue, health, schedule, onError: complain('upkeep failed') });
    await tender.start();
  } catch (error) {
    await stop();
    throw error;
  }
  log.info({ url: http.url, sets: sweep.sets, everyMs: sweep.everyMs }, 'sweeping');
  return { log, url: http.url, stop };
}

/**
 * A sweep ends flows by the timeouts of the configuration it is given, so a reaper with another one
 * than the gateways' would end flows too early.
 */
async function refuseMismatch(store: FlowStore): Promise<void> {
  const check = await store.checkConfig();
  if (check.kind !== 'configMismatch') return;
  const lines = check.fields.map(
    (field) => `cluster.${field}: differs from what the deployment in the store runs with`,
  );
  throw new ConfigError('FLOWSTORE_CONFIG_INVALID', lines);
}
