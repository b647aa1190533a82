/** What a process goes by: each of its calls to the store carries it. */
import { type ClusterConfig, RECORD_LAYOUT } from '@flowstore/flow';
import {
  ConfigFollower,
  goingByBoth,
  type Stance,
  shorterTimeouts,
  type Terms,
} from '@flowstore/flow-store';
import type { ModelServer } from '@flowstore/flow-store/testing';
import type { GoingBy } from '@flowstore/gateway-core';

export interface Policy {
  readonly holds: ClusterConfig;
  readonly next: ClusterConfig | null;
}

/** The file that the operator puts on every machine before it is published. */
export interface ConfigFile {
  config: ClusterConfig;
}

export function policyOf(holds: ClusterConfig): Policy {
  return { holds, next: null };
}

/** What a script goes by that was called with it. */
export function applyPolicy(model: ModelServer, { holds, next }: Policy): void {
  model.goBy(holds, next, RECORD_LAYOUT);
}

/** Follows what the deployment goes by, the way the gateway's main thread and the reaper do. */
export class PolicyFollower {
  policy: Policy;
  readonly #follower: ConfigFollower;
  readonly #goesByOne: boolean;

  /** @param goesByOne a broken variant: until what is next holds, it is not gone by */
  constructor(file: ClusterConfig, goesByOne: boolean) {
    this.#follower = new ConfigFollower(file, (text) => ({ config: JSON.parse(text) }));
    this.#goesByOne = goesByOne;
    this.policy = policyOf(file);
  }

  get stance(): Stance | null {
    return this.#follower.stance;
  }

  get goingBy(): GoingBy {
    const { holds, next } = this.policy;
    const rules = { holds, next };
    if (next === null) return { config: holds, reportBy: holds.timeouts, rules };
    return { config: goingByBoth(holds, next), reportBy: shorterTimeouts(holds, next), rules };
  }

  /** Whether there is something else to go by from now on. */
  hear(terms: Terms): boolean {
    const followed = this.#follower.hear(terms);
    if (followed.kind !== 'goBy') return false;
    const { holds, next } = followed;
    this.policy = { holds, next: this.#goesByOne ? null : next };
    return true;
  }

  /** It is gone by. */
  done(): void {
    this.#follower.done();
  }
}
