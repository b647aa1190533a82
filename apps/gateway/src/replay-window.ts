/**
 * Which counters of a sender came already: the highest, and which of the 64 below it. What is older
 * counts as a repetition, and so does all that an earlier run of the sender may have said.
 */
const WINDOW = 64n;
const ALL = (1n << WINDOW) - 1n;

export class ReplayWindow {
  #highest = -1n;
  /** Bit i: the counter `highest - i` came. */
  #seen = 0n;

  /** False for a counter that came before, or may have. */
  accept(counter: bigint): boolean {
    if (counter > this.#highest) {
      const ahead = counter - this.#highest;
      this.#seen = ahead >= WINDOW ? 1n : ((this.#seen << ahead) & ALL) | 1n;
      this.#highest = counter;
      return true;
    }
    const behind = this.#highest - counter;
    if (behind >= WINDOW || (this.#seen >> behind) & 1n) return false;
    this.#seen |= 1n << behind;
    return true;
  }
}
