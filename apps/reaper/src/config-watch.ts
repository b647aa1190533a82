/**
 * What the deployment goes by, heard anew with each heartbeat: the reaper follows it while it can,
 * and works only while it heard it lately. Nobody waits for reapers: a configuration holds, and a
 * layout is written, no sooner than a silence after it was announced.
 */
import { type ClusterConfig, canonicalConfig, RECORD_LAYOUT, silenceMs } from '@flowstore/flow';
import {
  type AuditStep,
  ConfigFollower,
  type DeploymentState,
  differingFields,
  type RedisFlowStore,
  readsLayout,
  StoreUnavailable,
  type SweepResult,
} from '@flowstore/flow-store';
import { ConfigError, readCluster } from '@flowstore/service';

/** A call that left in time may be carried out this much later. */
const SPARE_HEARTBEATS = 1;

/** What a reaper may do to the store, as long as it goes by what the deployment goes by. */
export type Sweepable = Pick<RedisFlowStore, 'sweep' | 'audit' | 'trim'>;

export class ConfigWatch {
  readonly #store: RedisFlowStore;
  readonly #nowMs: () => number;
  readonly #follower: ConfigFollower;
  #layout = RECORD_LAYOUT;
  /** When it was asked what was answered last. */
  #heardMs = Number.NEGATIVE_INFINITY;

  /** @param nowMs a clock that never goes back */
  constructor(store: RedisFlowStore, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
    this.#follower = new ConfigFollower(store.config, readCluster);
  }

  /** Looks, and resolves with why this reaper must not work; null: it may. */
  async look(): Promise<string | null> {
    const askedMs = this.#nowMs();
    const state = await this.#store.deployment();
    const problem = this.#follow(state);
    this.#heardMs = problem === null ? askedMs : Number.NEGATIVE_INFINITY;
    return problem;
  }

  /** How often to look. */
  get everyMs(): number {
    return this.#store.config.heartbeatMs;
  }

  get isSure(): boolean {
    const { config } = this.#store;
    const sureMs = silenceMs(config) - SPARE_HEARTBEATS * config.heartbeatMs;
    return this.#nowMs() - this.#heardMs < sureMs;
  }

  /** The store, that does nothing while this is not sure. */
  guarded(): Sweepable {
    const store = this.#store;
    const demand = () => {
      if (!this.isSure) {
        throw new StoreUnavailable('what the deployment goes by was not heard lately');
      }
    };
    return {
      async sweep(shard: number, looksMax: number): Promise<SweepResult> {
        demand();
        return store.sweep(shard, looksMax);
      },
      async audit(place: string | null, keys: number): Promise<AuditStep> {
        demand();
        return store.audit(place, keys);
      },
      async trim(shard: number): Promise<number> {
        demand();
        return store.trim(shard);
      },
    };
  }

  #follow(state: DeploymentState): string | null {
    if (state.kind === 'notInitialised')
      return 'the deployment is not initialised (gateway --init)';
    const { terms, nextLayout } = state;
    for (const layout of [terms.layout, nextLayout ?? terms.layout]) {
      if (!readsLayout(RECORD_LAYOUT, layout)) return `records are in layout ${layout}`;
    }
    const followed = this.#follower.hear(terms);
    const { holds, next, problems } = this.#follower;
    if (problems.length > 0) return problems.join('; ');
    if (followed.kind === 'goBy' || terms.layout !== this.#layout) {
      this.#layout = terms.layout;
      this.#store.goBy(holds, next, terms.layout);
      this.#follower.done();
    }
    return null;
  }
}

/**
 * At the start: a sweep ends flows by the timeouts of the configuration it is given, so a reaper
 * with another one than the gateways' would end flows too early.
 */
export function refuseMismatch(state: DeploymentState, config: ClusterConfig): void {
  if (state.kind === 'notInitialised') return;
  const { holds, next } = state.terms;
  const ours = canonicalConfig(config);
  if (ours === holds || ours === next) return;
  const lines = differingFields(ours, holds).map(
    (field) => `cluster.${field}: differs from what the deployment in the store runs with`,
  );
  throw new ConfigError('FLOWSTORE_CONFIG_INVALID', lines);
}
