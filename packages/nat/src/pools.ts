/**
 * Which pool is an inside address's, and so which outside address: of the pools of its domain the
 * one with the longest prefix that has it, else the deployment's own. Within the pool paired
 * pooling holds. One-to-one addresses are nobody else's, wherever they lie.
 */
import {
  ANY_PROTOCOL,
  type IpAddress,
  type Prefix,
  parsePrefix,
  prefixContains,
  type RuleConfig,
  staticRules,
} from '@flowstore/flow';
import { OutsidePool } from './outside-pool.ts';
import { StaticRules } from './static-rules.ts';

type PoolConfig = Pick<RuleConfig, 'pool' | 'pools' | 'oneToOne'>;

interface Choice {
  readonly domain: number;
  /** null: all of the domain. */
  readonly prefix: Prefix | null;
  readonly pool: OutsidePool;
}

export class Pools {
  readonly #all: readonly OutsidePool[];
  readonly #default: OutsidePool;
  /** The longest prefixes first. */
  readonly #choices: readonly Choice[];

  constructor({ pool, pools, oneToOne }: PoolConfig) {
    const owned = new StaticRules(staticRules({ portForwards: [], oneToOne }));
    const isTaken = (address: number) => owned.matchOutside(ANY_PROTOCOL, address, 0);
    this.#default = new OutsidePool(pool, isTaken);
    const choices = pools.flatMap(({ addresses, insidePrefixes, domain }): Choice[] => {
      const own = new OutsidePool(addresses, isTaken);
      if (insidePrefixes.length === 0) return [{ domain, prefix: null, pool: own }];
      return insidePrefixes.map((text) => ({ domain, prefix: parsePrefix(text), pool: own }));
    });
    const bits = ({ prefix }: Choice) => prefix?.length ?? -1;
    this.#choices = choices.sort((a, b) => bits(b) - bits(a));
    this.#all = [...new Set([this.#default, ...choices.map((choice) => choice.pool)])];
  }

  /** Whether it is an address of any pool. */
  contains(address: number): boolean {
    for (let i = 0; i < this.#all.length; i++) if (this.#all[i]!.contains(address)) return true;
    return false;
  }

  poolFor(domain: number, inside: IpAddress): OutsidePool {
    const choice = this.#choices.find(
      ({ domain: own, prefix }) =>
        own === domain && (prefix === null || prefixContains(prefix, inside)),
    );
    return choice?.pool ?? this.#default;
  }

  /** The outside address of every binding of this inside address. */
  addressFor(domain: number, inside: IpAddress): IpAddress {
    return this.poolFor(domain, inside).addressFor(domain, inside);
  }
}
