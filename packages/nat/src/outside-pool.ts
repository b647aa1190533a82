/**
 * The pool of outside addresses. Each inside address always uses one outside address (paired
 * pooling, RFC 4787 REQ-2), chosen by rendezvous hash: every gateway picks the same without asking,
 * and an address that joins or leaves the pool moves only its own share of the inside addresses.
 */
import {
  type IpAddress,
  ipv4FromNumber,
  POOL_ADDRESSES_MAX,
  parseAddressRange,
  rangeSize,
  stableHash,
} from '@flowstore/flow';

export class OutsidePool {
  readonly #addresses: number[] = [];
  readonly #members = new Set<number>();

  /**
   * Throws a RangeError when the ranges ("203.0.113.0/28", "203.0.113.4-203.0.113.9") hold no
   * address, or more than POOL_ADDRESSES_MAX.
   * @param isTaken addresses of them that are somebody's own
   */
  constructor(ranges: readonly string[], isTaken: (address: number) => boolean = () => false) {
    for (const text of ranges) {
      const range = parseAddressRange(text);
      if (this.#addresses.length + rangeSize(range) > POOL_ADDRESSES_MAX) {
        throw new RangeError(`pool: "${text}" exceeds ${POOL_ADDRESSES_MAX} addresses`);
      }
      for (let address = range.first; address <= range.last; address++) {
        if (this.#members.has(address) || isTaken(address)) continue;
        this.#addresses.push(address);
        this.#members.add(address);
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
