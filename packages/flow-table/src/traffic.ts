/**
 * Packets and bytes of each flow and direction, without wrap: 40 bits of packets, 56 of bytes.
 *
 * ```
 *  word  0                1              2
 *        +----------------+--------------+--------------------------+
 *        | packets, low   | bytes, low   | bytes<<8, packets, high  |   outbound; inbound: 3 to 5
 *        +----------------+--------------+--------------------------+
 * ```
 */
const TRAFFIC_WORDS = 6;
const DIRECTION_WORDS = 3;
const SPAN = 2 ** 32;

export const OUTBOUND = 0;
export const INBOUND = 1;
export type Direction = typeof OUTBOUND | typeof INBOUND;

export class Traffic {
  readonly #words: Uint32Array;

  constructor(slots: number) {
    this.#words = new Uint32Array(slots * TRAFFIC_WORDS);
  }

  count(slot: number, direction: Direction, bytes: number): void {
    const words = this.#words;
    const at = slot * TRAFFIC_WORDS + direction * DIRECTION_WORDS;
    const packets = words[at]! + 1;
    words[at] = packets;
    if (packets === SPAN) words[at + 2]! += 1;
    const sum = words[at + 1]! + bytes;
    words[at + 1] = sum;
    if (sum >= SPAN) words[at + 2]! += 0x100;
  }

  packets(slot: number, direction: Direction): number {
    const at = slot * TRAFFIC_WORDS + direction * DIRECTION_WORDS;
    return (this.#words[at + 2]! & 0xff) * SPAN + this.#words[at]!;
  }

  bytes(slot: number, direction: Direction): number {
    const at = slot * TRAFFIC_WORDS + direction * DIRECTION_WORDS;
    return (this.#words[at + 2]! >>> 8) * SPAN + this.#words[at + 1]!;
  }

  clear(slot: number): void {
    const end = (slot + 1) * TRAFFIC_WORDS;
    for (let at = slot * TRAFFIC_WORDS; at < end; at++) {
      // Reading an untouched page costs no memory, writing a zero to it would.
      if (this.#words[at] !== 0) this.#words[at] = 0;
    }
  }

  copy(from: number, to: number): void {
    const at = from * TRAFFIC_WORDS;
    this.#words.copyWithin(to * TRAFFIC_WORDS, at, at + TRAFFIC_WORDS);
  }
}
