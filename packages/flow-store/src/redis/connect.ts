/** Opens the flow store of a URL. */
import type { ClusterConfig } from '@flowstore/flow';
import { RedisRunner } from './redis-runner.ts';
import { RedisFlowStore } from './redis-store.ts';
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
  /** Told each time the connection comes or goes, for logs and metrics. */
  readonly onState?: (state: 'up' | 'down', reason: string) => void;
}

export const CONNECT_TIMEOUT_MS = 3_000;
export const CALL_TIMEOUT_MS = 1_000;
export const IN_FLIGHT_MAX = 4_096;
/** How many call timeouts a connection may be silent, with calls waiting, before it is given up. */
const SILENT_CALLS_MAX = 3;

/** Rejects with StoreUnavailable, naming the URL without its password, where nobody answers. */
export async function connectRedisStore(options: ConnectOptions): Promise<RedisFlowStore> {
  const { url, config, onState = () => {} } = options;
  const callTimeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS;
  const runner = await RedisRunner.connect({
    url,
    tlsCa: options.tlsCa,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    silenceMaxMs: SILENT_CALLS_MAX * callTimeoutMs,
    onState,
  });
  const inFlightMax = options.inFlightMax ?? IN_FLIGHT_MAX;
  return new RedisFlowStore({ config, runner, timers: systemTimers, callTimeoutMs, inFlightMax });
}
