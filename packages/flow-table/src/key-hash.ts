import { IPV6_KEY_WORDS } from '@flowstore/flow';

/** An IPv6 key's ten words, see FlowKey. */
export type Key6 = Int32Array | Uint32Array;

/**
 * The hash of a key, keyed by the table's seed: whoever does not know the seed cannot
 * choose keys that collide. Each word has its own secret odd multiplier.
 */
export class KeyHash {
  readonly #start: number;
  readonly #by0: number;
  readonly #by1: number;
  readonly #by2: number;
  readonly #by3: number;
  readonly #by6 = new Int32Array(IPV6_KEY_WORDS);

  /** The seed is an integer below 2^53, from a source of true randomness in production. */
  constructor(seed: number) {
    const random = splitmix32(seed);
    this.#start = random();
    this.#by0 = random() | 1;
    this.#by1 = random() | 1;
    this.#by2 = random() | 1;
    this.#by3 = random() | 1;
    for (let i = 0; i < IPV6_KEY_WORDS; i++) this.#by6[i] = random() | 1;
  }

  /** 32 bits, signed. */
  of(w0: number, w1: number, w2: number, w3: number): number {
    let hash = Math.imul(this.#start ^ w0, this.#by0);
    hash = Math.imul(hash ^ (hash >>> 15) ^ w1, this.#by1);
    hash = Math.imul(hash ^ (hash >>> 13) ^ w2, this.#by2);
    return finish(Math.imul(hash ^ (hash >>> 16) ^ w3, this.#by3));
  }

  /** The same of an IPv6 key's ten words. */
  of6(words: Key6): number {
    let hash = this.#start;
    for (let i = 0; i < IPV6_KEY_WORDS; i++) {
      hash = Math.imul(hash ^ (hash >>> 15) ^ words[i]!, this.#by6[i]!);
    }
    return finish(hash);
  }
}

function finish(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return hash ^ (hash >>> 15);
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
