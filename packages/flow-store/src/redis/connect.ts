/** Opens the flow store of a URL. */
import { type ClusterConfig, parseStoreUrl, withoutPassword } from '@flowstore/flow';
import { Cluster } from 'ioredis';
import { Connection } from './connection.ts';
import type { RedisClient } from './redis-client.ts';
import { RedisRunner } from './redis-runner.ts';
import { RedisFlowStore } from './redis-store.ts';
import { type Release, THIS_RELEASE } from './release.ts';
import { ReplicatedRunner } from './replicated-runner.ts';
import { systemTimers } from './timers.ts';

export interface ConnectOptions {
  /** redis://..., redis+sentinel://... or redis+cluster://...: see store-url.ts. */
  readonly url: string;
  readonly config: ClusterConfig;
  readonly tlsCa?: string | undefined;
  readonly connectTimeoutMs?: number;
  /** How long a call may take before it rejects with StoreUnavailable. */
  readonly callTimeoutMs?: number;
  /** Script calls in flight at once, beyond which calls reject with StoreUnavailable. */
  readonly inFlightMax?: number;
  /** Of tests: another release than this one. */
  readonly release?: Release;
  /** Told each time the connection comes or goes, for logs and metrics. */
  readonly onState?: (state: 'up' | 'down', reason: string) => void;
}

export const CONNECT_TIMEOUT_MS = 3_000;
export const CALL_TIMEOUT_MS = 1_000;
export const IN_FLIGHT_MAX = 4_096;
/** How many call timeouts a connection may be silent, with calls waiting, before it is given up. */
const SILENT_CALLS_MAX = 3;

/** Of a call's time, the share that replicas may take to confirm it. */
const WAIT_SHARE = 0.5;

/**
 * Rejects with StoreUnavailable, naming the URL without its password, where nobody answers; with
 * ReplicationRequired where a failover can happen and nothing has to be replicated.
 */
export async function connectRedisStore(options: ConnectOptions): Promise<RedisFlowStore> {
  const { url, config, onState = () => {} } = options;
  const { callTimeoutMs = CALL_TIMEOUT_MS, inFlightMax = IN_FLIGHT_MAX } = options;
  const { release = THIS_RELEASE } = options;
  const timers = systemTimers;
  const client = {
    url,
    timers,
    tlsCa: options.tlsCa,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    silenceMaxMs: SILENT_CALLS_MAX * callTimeoutMs,
  };
  const connection = await Connection.open({ ...client, onState });
  const runner = new RedisRunner(connection, release);
  const { layout } = release;
  const shared = { config, runner, timers, callTimeoutMs, inFlightMax, layout };
  const { minReplicas } = config;
  if (minReplicas === 0) {
    refuseFailover(connection, url);
    return new RedisFlowStore({ ...shared, confirming: runner });
  }
  const second = Connection.open({ ...client, onState: () => {} }).catch((error) => {
    connection.end();
    throw error;
  });
  const confirming = new ReplicatedRunner({
    connection: await second,
    release,
    timers,
    replicas: minReplicas,
    waitMs: Math.ceil(WAIT_SHARE * callTimeoutMs),
    roundTimeoutMs: callTimeoutMs,
  });
  return new RedisFlowStore({ ...shared, confirming });
}

/** The deployment's minReplicas is 0, where a master may be replaced by one that lacks writes. */
export class ReplicationRequired extends Error {
  readonly code = 'FLOWSTORE_CONFIG_UNREPLICATED';
}

function refuseFailover(connection: Connection, url: string): void {
  const whoFailsOver = failoverOf(connection.client, url);
  if (whoFailsOver === null) return;
  connection.end();
  throw new ReplicationRequired(
    `cluster.minReplicas: found 0, allowed: 1 or more at ${withoutPassword(url)}, where ` +
      `${whoFailsOver}: a replaced master would be believed`,
  );
}

/** As far as can be seen from here, at the start. */
function failoverOf(client: RedisClient, url: string): string | null {
  if (parseStoreUrl(url).kind === 'sentinel') return 'Sentinel may replace the master';
  const hasReplicas = client instanceof Cluster && client.slots.some((nodes) => nodes.length > 1);
  return hasReplicas ? 'masters have replicas that may replace them' : null;
}
