/**
 * Shares something bounded among takers, so that one that floods can't use it up: each may hold as
 * much as is left free (dynamic thresholds, Choudhury and Hahne 1998).
 *
 * ```
 *   one floods     |###########|           |    it gets half, and half is left for newcomers
 *   two flood      |#######|#######|       |    a third each, a third is left
 * ```
 */
export class FairShare {
  readonly #max: number;
  readonly #held = new Map<number, number>();
  #used = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get used(): number {
    return this.#used;
  }

  hasRoom(taker: number, amount: number): boolean {
    return (this.#held.get(taker) ?? 0) + amount <= this.#max - this.#used;
  }

  /** Ask hasRoom first. */
  take(taker: number, amount: number): void {
    this.#used += amount;
    this.#held.set(taker, (this.#held.get(taker) ?? 0) + amount);
  }

  giveBack(taker: number, amount: number): void {
    this.#used -= amount;
    const left = this.#held.get(taker)! - amount;
    if (left > 0) this.#held.set(taker, left);
    else this.#held.delete(taker);
  }
}
