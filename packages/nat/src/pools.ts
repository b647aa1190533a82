/**
 * Which pool is an inside address's, and so which outside address: of the pools of its domain the
 * one with the longest prefix that has it, else the deployment's own. Within the pool paired
 * pooling holds. One-to-one addresses are nobody else's, wherever they lie.
 */
import {
  ANY_PROTOCOL,
  type IpAddress,
  ipv4ToNumber,
  parseAddressRange,
  type RuleConfig,
  rangeSize,
  staticRules,
} from '@flowstore/flow';
import { OutsidePool } from './outside-pool.ts';
import { StaticRules } from './static-rules.ts';

type PoolConfig = Pick<RuleConfig, 'pool' | 'pools' | 'oneToOne'>;

interface Choice {
  readonly domain: number;
  /** The inside addresses that it is for. */
  readonly first: number;
  readonly last: number;
  readonly pool: OutsidePool;
}

const ALL = '0.0.0.0/0';

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
      const prefixes = insidePrefixes.length === 0 ? [ALL] : insidePrefixes;
      return prefixes.map((text) => ({ domain, ...parseAddressRange(text), pool: own }));
    });
    this.#choices = choices.sort((a, b) => rangeSize(a) - rangeSize(b));
    this.#all = [...new Set([this.#default, ...choices.map((choice) => choice.pool)])];
  }

  /** Whether it is an address of any pool. */
  contains(address: number): boolean {
    for (let i = 0; i < this.#all.length; i++) if (this.#all[i]!.contains(address)) return true;
    return false;
  }

  poolFor(domain: number, inside: number): OutsidePool {
    for (let i = 0; i < this.#choices.length; i++) {
      const choice = this.#choices[i]!;
      if (choice.domain === domain && choice.first <= inside && inside <= choice.last) {
        return choice.pool;
      }
    }
    return this.#default;
  }

  /** The outside address of every binding of this inside address. */
  addressFor(domain: number, inside: IpAddress): IpAddress {
    return this.poolFor(domain, ipv4ToNumber(inside)).addressFor(domain, inside);
  }
}
