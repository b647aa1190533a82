/** Membership of IPv4 numbers in a few prefixes; the packet path's form of prefixContains. */
import { ipv4ToNumber, parsePrefix } from '@flowstore/flow';

export class PrefixSet {
  readonly #masks: Uint32Array;
  readonly #networks: Uint32Array;

  constructor(prefixes: readonly string[]) {
    const parsed = prefixes.map(parsePrefix).filter((prefix) => prefix.address.length === 4);
    this.#masks = Uint32Array.from(parsed, ({ length }) =>
      length === 0 ? 0 : 0xffffffff << (32 - length),
    );
    this.#networks = Uint32Array.from(parsed, ({ address }) => ipv4ToNumber(address));
  }

  has(address: number): boolean {
    for (let i = 0; i < this.#masks.length; i++) {
      if ((address & this.#masks[i]!) >>> 0 === this.#networks[i]!) return true;
    }
    return false;
  }
}
