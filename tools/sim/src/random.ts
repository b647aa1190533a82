/**
 * Seeded randomness. Every part of the world has a stream of its own, named and drawn from the
 * seed, so that what one part draws does not move what another one gets. sfc32 (Doty-Humphrey).
 */
export class Random {
  readonly #key: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, name = '') {
    let key = mix(seed ^ 0x9e3779b9) ^ mix(Math.floor(seed / 2 ** 32));
    for (let i = 0; i < name.length; i++) key = mix(key ^ name.charCodeAt(i));
    this.#key = key;
    this.#a = mix(key + 1);
    this.#b = mix(key + 2);
    this.#c = mix(key + 3);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** A stream of its own; the same one whatever was drawn here before. */
  fork(name: string): Random {
    return new Random(this.#key >>> 0, name);
  }

  /** A uniform 32-bit number. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** 0 to below 1. */
  float(): number {
    return this.next() / 2 ** 32;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  between(low: number, high: number): number {
    return low + this.float() * (high - low);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.float() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** Waiting times of a Poisson process. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.float());
  }

  /** 16 hexadecimal digits. */
  hex16(): string {
    return this.next().toString(16).padStart(8, '0') + this.next().toString(16).padStart(8, '0');
  }
}

function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  value = Math.imul(value ^ (value >>> 15), 0x846ca68b);
  return value ^ (value >>> 16);
}
