/** `--init`: writes the cluster configuration of a new deployment into the store. */
import { setTimeout as sleep } from 'node:timers/promises';
import { canonicalConfig } from '@flowstore/flow';
import {
  connectRedisStore,
  type DeploymentState,
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
    return await write(store, canonicalConfig(cluster), tell);
  } finally {
    await store.end();
  }
}

async function write(
  store: FlowStore,
  text: string,
  tell: (line: string) => void,
): Promise<boolean> {
  const endMs = performance.now() + REPLICAS_TIMEOUT_MS;
  let told = '';
  // An attempt that reached the master alone leaves a configuration, and shards that are not new.
  let mayBeWritten = false;
  for (;;) {
    try {
      const isAgain = mayBeWritten && isOurs(await store.deployment(), text);
      mayBeWritten = true;
      return await store.initialise(isAgain ? 'again' : 'new');
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || performance.now() >= endMs) throw error;
      if (error.message !== told) tell(`waiting for the store: ${error.message}`);
      told = error.message;
    }
    await sleep(LOOK_EVERY_MS);
  }
}

/** Nobody else's, as far as can be seen: it is this one, and nobody takes part yet. */
function isOurs(state: DeploymentState, text: string): boolean {
  return state.kind === 'running' && state.terms.holds === text && state.members.length === 0;
}
