/**
 * The connection of a store URL, by ioredis. Its offline queue, its resending and its retries are
 * off: what is asked while nobody is there fails at once, and the caller decides. A connection over
 * which nothing comes back is given up and made anew.
 */
import { parseStoreUrl, type StoreUrl } from '@flowstore/flow';
import { Cluster, Redis } from 'ioredis';
import { StoreUnavailable } from '../contract.ts';

/** One server (the master, where Sentinel knows it), or all of a cluster's. */
export type RedisClient = Redis | Cluster;

export interface ClientOptions {
  readonly url: string;
  readonly connectTimeoutMs: number;
  /** A reply may take this long before the connection counts as dead. */
  readonly silenceMaxMs: number;
  /** Certificates (PEM) of the authorities to be trusted, for TLS; the system's by default. */
  readonly tlsCa?: string | undefined;
}

const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 2_000;
/** MOVED and ASK: who was asked did nothing. Slots move once, or twice in a failover. */
const REDIRECTIONS_MAX = 4;

/** Not connected yet. Throws StoreUnavailable where the URL can't be read. */
export function newClient(options: ClientOptions): RedisClient {
  const { kind, nodes, masterName, database, ...url } = readUrl(options.url);
  const { username, password } = url;
  const tls = url.tls ? { tls: options.tlsCa === undefined ? {} : { ca: options.tlsCa } } : {};
  const common = {
    protocol: 2 as const,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...tls,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: options.connectTimeoutMs,
    socketTimeout: options.silenceMaxMs,
  };
  const single = {
    ...common,
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: backoffMs,
    db: database,
  };
  if (kind === 'single') return new Redis({ ...single, ...nodes[0]! });
  if (kind === 'sentinel') {
    return new Redis({
      ...single,
      sentinels: [...nodes],
      name: masterName,
      sentinelRetryStrategy: backoffMs,
      sentinelCommandTimeout: options.connectTimeoutMs,
      // A master that was replaced may stay connected: then the Sentinels have to say so.
      failoverDetector: true,
      ...(url.tls && { enableTLSForSentinelMode: true, sentinelTLS: tls.tls! }),
    });
  }
  return new Cluster([...nodes], {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: backoffMs,
    maxRedirections: REDIRECTIONS_MAX,
    slotsRefreshTimeout: options.connectTimeoutMs,
    redisOptions: common,
  });
}

function readUrl(text: string): StoreUrl {
  try {
    return parseStoreUrl(text);
  } catch (error) {
    throw new StoreUnavailable((error as Error).message, { cause: error });
  }
}

/** The servers that hold the keys: for those who look at all of them. */
export function mastersOf(client: RedisClient): Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

function backoffMs(attempt: number): number {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 10));
}
