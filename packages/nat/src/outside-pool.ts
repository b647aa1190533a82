/**
 * The pool of outside addresses. Each inside address always uses one outside address (paired
 * pooling, RFC 4787 REQ-2), chosen by rendezvous hash: every gateway picks the same without asking,
 * and an address that joins or leaves the pool moves only its own share of the inside addresses.
 */
import {
  type IpAddress,
  ipv4FromNumber,
  ipv4ToNumber,
  parsePrefix,
  prefixSize,
  stableHash,
} from '@flowstore/flow';

export const POOL_ADDRESSES_MAX = 65_536;

export class OutsidePool {
  readonly #addresses: number[] = [];
  readonly #members = new Set<number>();

  /** Throws a RangeError when the prefixes hold no address, or more than POOL_ADDRESSES_MAX. */
  constructor(prefixes: readonly string[]) {
    for (const text of prefixes) {
      const prefix = parsePrefix(text);
      const size = prefixSize(prefix);
      if (prefix.address.length !== 4 || this.#addresses.length + size > POOL_ADDRESSES_MAX) {
        throw new RangeError(
          `pool: "${text}" is not IPv4 or exceeds ${POOL_ADDRESSES_MAX} addresses`,
        );
      }
      const first = ipv4ToNumber(prefix.address);
      for (let i = 0; i < size; i++) {
        if (!this.#members.has(first + i)) this.#addresses.push(first + i);
        this.#members.add(first + i);
      }
    }
    if (this.#addresses.length === 0) throw new RangeError('pool: holds no address');
  }

  get size(): number {
    return this.#addresses.length;
  }

  contains(address: number): boolean {
    return this.#members.has(address);
  }

  /** The outside address of every binding of this inside address. */
  addressFor(domain: number, inside: IpAddress): IpAddress {
    const insideHash = stableHash(inside, domain);
    let best = 0;
    let bestWeight = -1;
    for (const address of this.#addresses) {
      const weight = stableHash(ipv4FromNumber(address), insideHash);
      if (weight > bestWeight) {
        best = address;
        bestWeight = weight;
      }
    }
    return ipv4FromNumber(best);
  }
}
