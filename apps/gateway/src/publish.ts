/**
 * `--publish`: makes the configuration the deployment's next, and waits until it holds, telling who
 * goes by it by now, who does not, and why.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterConfig, canonicalConfig, silenceMs } from '@flowstore/flow';
import {
  connectRedisStore,
  type DeploymentState,
  type FlowStore,
  type MemberStance,
  StoreUnavailable,
} from '@flowstore/flow-store';
import { ConfigError } from '@flowstore/service';
import type { GatewayConfig } from './config.ts';
import { NOT_INITIALISED } from './membership.ts';

const LOOKS_PER_HEARTBEAT = 4;

/**
 * Resolves with whether it holds by the end; if not, it stays published. Throws ConfigError where
 * it may not be, StoreUnavailable where somebody else published.
 */
export async function publish(
  { redis, cluster }: { redis: GatewayConfig['redis']; cluster: ClusterConfig },
  tell: (line: string) => void,
): Promise<boolean> {
  const store = await connectRedisStore({ ...redis, config: cluster });
  try {
    const result = await store.publish();
    switch (result.kind) {
      case 'published':
        tell(`version ${cluster.version} is published: it holds once every gateway goes by it`);
        return await waitUntilItHolds(store, cluster, tell);
      case 'unchanged':
        tell('the deployment runs with this configuration already');
        return true;
      case 'overtaken':
        throw new StoreUnavailable('what holds, or is next, changed just now: look again');
      case 'notInitialised':
        throw new ConfigError('FLOWSTORE_CONFIG_INVALID', [NOT_INITIALISED]);
      case 'refused':
        throw new ConfigError(
          'FLOWSTORE_CONFIG_INVALID',
          result.problems.map((problem) => `cluster.${problem}`),
        );
    }
  } finally {
    await store.end();
  }
}

/** Who died just now is waited for by a lease length, who lives needs a few heartbeats. */
export function waitMaxMs(config: ClusterConfig): number {
  return config.leaseMs + silenceMs(config) + 2 * config.heartbeatMs;
}

async function waitUntilItHolds(
  store: FlowStore,
  cluster: ClusterConfig,
  tell: (line: string) => void,
): Promise<boolean> {
  const text = canonicalConfig(cluster);
  const endMs = performance.now() + waitMaxMs(cluster);
  let told = '';
  for (;;) {
    const state = await store.deployment().catch(() => null);
    const progress = state === null ? 'the store does not answer' : describe(state, text);
    if (progress === null) {
      tell(`version ${cluster.version} holds`);
      return true;
    }
    if (progress !== told) tell(progress);
    told = progress;
    if (performance.now() >= endMs) {
      tell(`not yet: version ${cluster.version} stays published`);
      return false;
    }
    await sleep(cluster.heartbeatMs / LOOKS_PER_HEARTBEAT);
  }
}

/** null: it holds. */
function describe(state: DeploymentState, text: string): string | null {
  if (state.kind === 'notInitialised') throw new StoreUnavailable('the store lost its data');
  const { holds, next } = state.terms;
  if (holds === text) return null;
  if (next !== text) throw new StoreUnavailable('somebody else published: this one is forgotten');
  return state.members.length === 0 ? 'no gateway is alive' : state.members.map(line).join('\n');
}

function line({ name, stance, problems }: MemberStance): string {
  if (stance === 'goesByBoth') return `${name}: goes by it`;
  if (stance === 'silent') return `${name}: has not said so yet`;
  return [`${name}: refuses`, ...problems.map((problem) => `${name}:   ${problem}`)].join('\n');
}
