/** `--init`: writes the cluster configuration of a new deployment into the store. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connectRedisStore,
  type FlowStore,
  type Release,
  StoreUnavailable,
} from '@flowstore/flow-store';
import type { GatewayConfig } from './config.ts';

/**
 * Replicas that were started just now have no copy for some seconds: a master waits
 * `repl-diskless-sync-delay` (5 s) for others before it makes the first.
 */
const REPLICAS_TIMEOUT_MS = 30_000;
const LOOK_EVERY_MS = 500;

export interface InitialiseOptions {
  readonly tell: (line: string) => void;
  /** Of tests: another release than this one. */
  readonly release?: Release;
}

/** Resolves with false where a configuration is stored already. Throws StoreUnavailable. */
export async function initialise(
  { redis, cluster }: Pick<GatewayConfig, 'redis' | 'cluster'>,
  { tell, release }: InitialiseOptions,
): Promise<boolean> {
  const store = await connectRedisStore({ ...redis, config: cluster, ...(release && { release }) });
  try {
    await untilReplicated(store, tell);
    return await store.initialise('new');
  } finally {
    await store.end();
  }
}

/**
 * Looked at before anything is written: a first attempt that reached the master alone would leave
 * a configuration, and shards that are not marked as new.
 */
async function untilReplicated(store: FlowStore, tell: (line: string) => void): Promise<void> {
  const endMs = performance.now() + REPLICAS_TIMEOUT_MS;
  for (let told = ''; ; ) {
    try {
      await store.deployment();
      return;
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || performance.now() >= endMs) throw error;
      if (error.message !== told) tell(`waiting for the store: ${error.message}`);
      told = error.message;
    }
    await sleep(LOOK_EVERY_MS);
  }
}
