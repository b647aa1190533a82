/**
 * The addresses of IPv6 flows: 48 bytes each, beside the rows, for those that need them. The first
 * IPv6 flow reserves room for as many as there are rows; entries are used from the bottom, so that
 * memory is paid for IPv6 flows alone. A row's second word is its entry here.
 *
 * ```
 *  word  0         4         8         12
 *        +---------+---------+---------+
 *        | inside  | remote  | outside |      outbound key: words 0 to 7
 *        +---------+---------+---------+      inbound key: words 4 to 11
 * ```
 */
import { IPV6_BYTES, type IpAddress } from '@flowstore/flow';

export const ENTRY_WORDS = 12;
const ADDRESS_WORDS = 4;
export const INSIDE6 = 0;
export const REMOTE6 = 4;
export const OUTSIDE6 = 8;

export class Addresses6 {
  words = new Int32Array(0);
  readonly #entries: number;
  #used = 0;
  /** The last freed entry, whose first word names the one freed before it; -1 if there is none. */
  #free = -1;

  constructor(entries: number) {
    this.#entries = entries;
  }

  /** An entry for a row. There is one for each, so it never runs out. */
  take(): number {
    if (this.words.length === 0) this.words = new Int32Array(this.#entries * ENTRY_WORDS);
    const entry = this.#free;
    if (entry === -1) return this.#used++;
    this.#free = this.words[entry * ENTRY_WORDS]!;
    return entry;
  }

  release(entry: number): void {
    this.words[entry * ENTRY_WORDS] = this.#free;
    this.#free = entry;
  }

  /** Entries ever used at once: what memory was paid for. */
  get used(): number {
    return this.#used;
  }

  set(entry: number, which: number, address: IpAddress): void {
    const base = entry * ENTRY_WORDS + which;
    for (let i = 0; i < ADDRESS_WORDS; i++) this.words[base + i] = wordAt(address, i);
  }

  get(entry: number, which: number): IpAddress {
    const address = new Uint8Array(IPV6_BYTES);
    const view = new DataView(address.buffer);
    const base = entry * ENTRY_WORDS + which;
    for (let i = 0; i < ADDRESS_WORDS; i++) view.setInt32(i * 4, this.words[base + i]!);
    return address;
  }
}

/** The address's i-th 32-bit word, signed. */
export function wordAt(address: IpAddress, i: number): number {
  const at = i * 4;
  return (
    (address[at]! << 24) | (address[at + 1]! << 16) | (address[at + 2]! << 8) | address[at + 3]!
  );
}
