/**
 * The hash of a four-word key, keyed by the table's seed: whoever does not know the seed cannot
 * choose keys that collide. Each word has its own secret odd multiplier.
 */
export class KeyHash {
  readonly #start: number;
  readonly #by0: number;
  readonly #by1: number;
  readonly #by2: number;
  readonly #by3: number;

  /** The seed is an integer below 2^53, from a source of true randomness in production. */
  constructor(seed: number) {
    const random = splitmix32(seed);
    this.#start = random();
    this.#by0 = random() | 1;
    this.#by1 = random() | 1;
    this.#by2 = random() | 1;
    this.#by3 = random() | 1;
  }

  /** 32 bits, signed. */
  of(w0: number, w1: number, w2: number, w3: number): number {
    let hash = Math.imul(this.#start ^ w0, this.#by0);
    hash = Math.imul(hash ^ (hash >>> 15) ^ w1, this.#by1);
    hash = Math.imul(hash ^ (hash >>> 13) ^ w2, this.#by2);
    hash = Math.imul(hash ^ (hash >>> 16) ^ w3, this.#by3);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
    return hash ^ (hash >>> 15);
  }
}

/** A stream of 32-bit numbers from all 53 bits of the seed. */
function splitmix32(seed: number): () => number {
  let low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) | 0;
  return () => {
    low = (low + 0x9e3779b9) | 0;
    let z = low ^ Math.imul(high, 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
}
