/**
 * Packets and bytes of each flow and direction, without wrap: 40 bits of packets, 56 of bytes. What
 * goes beyond 32 bits is in a column of its own, which costs no memory until some flow gets there.
 *
 * ```
 *  low   0                1              2                3
 *        +----------------+--------------+----------------+--------------+
 *        | packets out    | bytes out    | packets in     | bytes in     |    16 bytes per slot
 *        +----------------+--------------+----------------+--------------+
 *  high  | bytes<<8, packets: outbound   | inbound                       |     8 bytes per slot
 *        +-------------------------------+-------------------------------+
 * ```
 */
const SPAN = 2 ** 32;

export const OUTBOUND = 0;
export const INBOUND = 1;
export type Direction = typeof OUTBOUND | typeof INBOUND;

export class Traffic {
  /** What was prefetched: unless kept, it would not be read. */
  ahead = 0;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;

  constructor(slots: number) {
    this.#low = new Uint32Array(slots * 4);
    this.#high = new Uint32Array(slots * 2);
  }

  count(slot: number, direction: Direction, bytes: number): void {
    const low = this.#low;
    const at = slot * 4 + direction * 2;
    const packets = low[at]! + 1;
    low[at] = packets;
    if (packets === SPAN) this.#high[at >>> 1]! += 1;
    const sum = low[at + 1]! + bytes;
    low[at + 1] = sum;
    if (sum >= SPAN) this.#high[at >>> 1]! += 0x100;
  }

  /** Brings the counts of these slots into the CPU's cache. */
  prefetch(slots: Int32Array, count: number): void {
    const low = this.#low;
    let ahead = 0;
    for (let i = 0; i < count; i++) ahead ^= low[slots[i]! * 4]!;
    this.ahead = ahead;
  }

  packets(slot: number, direction: Direction): number {
    const at = slot * 2 + direction;
    return (this.#high[at]! & 0xff) * SPAN + this.#low[at * 2]!;
  }

  bytes(slot: number, direction: Direction): number {
    const at = slot * 2 + direction;
    return (this.#high[at]! >>> 8) * SPAN + this.#low[at * 2 + 1]!;
  }

  clear(slot: number): void {
    writeIfChanged(this.#low, slot * 4, 0);
    writeIfChanged(this.#low, slot * 4 + 1, 0);
    writeIfChanged(this.#low, slot * 4 + 2, 0);
    writeIfChanged(this.#low, slot * 4 + 3, 0);
    writeIfChanged(this.#high, slot * 2, 0);
    writeIfChanged(this.#high, slot * 2 + 1, 0);
  }

  copy(from: number, to: number): void {
    this.#low.copyWithin(to * 4, from * 4, from * 4 + 4);
    writeIfChanged(this.#high, to * 2, this.#high[from * 2]!);
    writeIfChanged(this.#high, to * 2 + 1, this.#high[from * 2 + 1]!);
  }
}

/** Reading an untouched page costs no memory, writing a zero to it would. */
function writeIfChanged(words: Uint32Array, at: number, value: number): void {
  if (words[at] !== value) words[at] = value;
}
