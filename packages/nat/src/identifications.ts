/**
 * Identifications of datagrams that leave by an outside address (RFC 6864 section 5.3). Many inside
 * hosts share it, and each chose its own: two datagrams to one destination may have the same, and
 * their fragments would be put together.
 *
 * ```
 *   0 ccccccccccccccc             a whole datagram that routers may split: a gateway's own count
 *   1 sssssssss llllll            one that came in fragments: the store's count, by shard
 * ```
 *
 * What can't be split (DF) needs none (RFC 6864 section 4). The halves never meet. The store's is
 * unique over all gateways, since all fragments must have the same wherever they go; a gateway's
 * own is unique among those of that gateway, and costs no question; where the store can't be asked
 * it serves for fragments, too.
 */
const WHOLE = 0x7fff;
/** A count for every so many outside addresses, destinations and protocols, by their hash. */
const COUNTS = 4_096;

export class Identifications {
  readonly #next = new Uint16Array(COUNTS);
  readonly #random: () => number;
  #seed = 0;

  /** @param random uniform 32-bit numbers: where counts begin can't be guessed */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** The first of `count` in a row. Allocates nothing. */
  take(source: number, destination: number, protocol: number, count: number): number {
    if (this.#seed === 0) this.#begin();
    const place = mixed(source ^ this.#seed, destination, protocol) & (COUNTS - 1);
    const first = this.#next[place]!;
    this.#next[place] = first + count;
    return first & WHOLE;
  }

  #begin(): void {
    this.#seed = this.#random() | 1;
    for (let i = 0; i < COUNTS; i++) this.#next[i] = mixed(i, this.#seed, 0);
  }
}

function mixed(a: number, b: number, c: number): number {
  let hash = Math.imul(a, 0x9e3779b1) ^ b;
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ c;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
