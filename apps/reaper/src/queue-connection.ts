/**
 * The queue's connection as BullMQ wants it: commands wait for a reconnect instead of failing,
 * which is safe because every job may run twice.
 */
import { parseStoreUrl } from '@flowstore/flow';
import { Cluster, Redis } from 'ioredis';

export type QueueConnection = Redis | Cluster;

const RECONNECT_MS_MAX = 2_000;

/** Not connected yet. `url` as the store's: one server, Sentinels, or a cluster. */
export function newQueueConnection(url: string): QueueConnection {
  return open(url, backoffMs, { maxRetriesPerRequest: null });
}

/** One that gives up at once: ioredis tells a refused connection only by its events. */
export function newProbe(url: string, timeoutMs: number): QueueConnection {
  return open(url, () => null, { connectTimeout: timeoutMs, commandTimeout: timeoutMs });
}

function open(
  url: string,
  retry: (attempt: number) => number | null,
  options: { maxRetriesPerRequest?: null; connectTimeout?: number; commandTimeout?: number },
): QueueConnection {
  const { kind, nodes, tls, username, password, database, masterName } = parseStoreUrl(url);
  const common = {
    protocol: 2 as const,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
    ...options,
  };
  if (kind === 'cluster') {
    return new Cluster([...nodes], {
      lazyConnect: true,
      clusterRetryStrategy: retry,
      redisOptions: common,
    });
  }
  const single = { ...common, lazyConnect: true, retryStrategy: retry, db: database };
  if (kind === 'single') return new Redis({ ...single, ...nodes[0]! });
  return new Redis({
    ...single,
    sentinels: [...nodes],
    name: masterName,
    sentinelRetryStrategy: retry,
    ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: {} }),
  });
}

function backoffMs(attempt: number): number {
  return Math.min(attempt * 100, RECONNECT_MS_MAX);
}
