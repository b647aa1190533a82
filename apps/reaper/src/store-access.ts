/** The flow store as a reaper needs it: the store, and whether it runs with our configuration. */
import type { ClusterConfig } from '@flowstore/flow';
import { connectRedisStore, type FlowStore } from '@flowstore/flow-store';
import type { ReaperConfig } from './config.ts';

export type ConfigCheck =
  | { readonly kind: 'match' }
  /** The deployment runs with another configuration; `fields` names what differs. */
  | { readonly kind: 'mismatch'; readonly fields: readonly string[] }
  /** Nothing is stored yet, or the store lost its data. */
  | { readonly kind: 'notInitialised' };

export interface StoreAccess {
  readonly store: FlowStore;
  /**
   * A sweep ends flows by the timeouts of the configuration it is given, so a reaper with another
   * one than the gateways' would end flows too early. Rejects with StoreUnavailable.
   */
  checkConfig(): Promise<ConfigCheck>;
  end(): Promise<void>;
}

/** Joins as nobody: see compareByJoining. */
const PROBE = { name: 'reaper', incarnation: '0000000000000000', controlUrl: 'http://127.0.0.1:1' };
const PROBE_FIELD = 'notAGateway';

/** Rejects with StoreUnavailable where nobody answers in time. */
export async function connectStore(
  { redis: { url, callTimeoutMs, connectTimeoutMs }, cluster }: ReaperConfig,
  onState: (state: 'up' | 'down', reason: string) => void,
): Promise<StoreAccess> {
  const timeouts = { callTimeoutMs, connectTimeoutMs };
  const store = await connectRedisStore({ url, config: cluster, onState, ...timeouts });
  const probing: ClusterConfig = Object.assign({ [PROBE_FIELD]: true }, cluster);
  const prober = await connectRedisStore({ url, config: probing, ...timeouts }).catch(
    async (error) => {
      await store.end();
      throw error;
    },
  );
  return {
    store,
    checkConfig: () => compareByJoining(prober),
    end: async () => {
      await Promise.all([store.end(), prober.end()]);
    },
  };
}

/**
 * The contract has no call that reads the stored configuration, but a refused join names the fields
 * that differ and leaves no trace. So `prober` was given one field that no configuration has: it is
 * always refused, and all else agrees if that field is the only difference.
 */
export async function compareByJoining(prober: FlowStore): Promise<ConfigCheck> {
  const answer = await prober.join(PROBE);
  if (answer.kind === 'notInitialised') return { kind: 'notInitialised' };
  const fields = answer.kind === 'configMismatch' ? answer.fields : [PROBE_FIELD];
  const others = fields.filter((field) => field !== PROBE_FIELD);
  return others.length === 0 ? { kind: 'match' } : { kind: 'mismatch', fields: others };
}
