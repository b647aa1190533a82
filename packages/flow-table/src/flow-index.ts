/**
 * From key to slot: open addressing with linear probing, both directions of a flow in one table of
 * 32-bit entries.
 *
 * ```
 *  31      25 24             1   0
 *  +---------+----------------+---+      0: empty (slot 0 is nobody's)
 *  | tag (7) | slot (24)      | d |      d: 0 outbound key, 1 inbound key
 *  +---------+----------------+---+
 *
 *  home = hash * size / 2^32 (its high bits), tag = its low 7 bits: of 128 strangers met on the
 *  way, 127 are passed without a look at their row.
 * ```
 *
 * Deletion leaves no tombstone: entries behind the gap move up when that brings them closer to
 * their home. Their homes are computed anew from their rows: 4 bytes more per entry would save
 * that, and cost 17 of a flow's 128 bytes.
 *
 * Growth never stops the world. The table doubles; the old half is emptied by a few entries at
 * each insert, whole clusters at a time:
 *
 * ```
 *  old:  | moved, empty        |^ cursor  cluster | empty | cluster ...      lookups: new, then old
 *  new:  | moved entries, and all new ones                                  |
 * ```
 *
 * Sizes are the final size over powers of two, so that a full table is LOAD_MAX full, not half.
 */
import { OUTSIDE_DOMAIN } from '@flowstore/flow';
import { KeyHash } from './key-hash.ts';
import { NONE } from './none.ts';
import { outsideWord, ROW_WORDS } from './rows.ts';

/** Successful lookups look at 3 entries then, unsuccessful ones at 13: one or two cache lines. */
const LOAD_MAX = 0.8;
const SIZE_MIN = 1_024;
/** The old table is empty after inserts of 1/32 of its size, long before this one fills. */
const MOVES_PER_INSERT = 32;
const TAG_SHIFT = 25;
const SLOT_MASK = (1 << 24) - 1;
/** What must agree before the row is looked at: the tag and the direction. */
const PROBE_MASK = (-1 << TAG_SHIFT) | 1;
const NO_ENTRIES = new Int32Array(0);

export class FlowIndex {
  readonly #words: Int32Array;
  readonly #hash: KeyHash;
  readonly #sizeMax: number;
  #entries: Int32Array;
  #count = 0;
  /** The table that is being emptied, of length 0 when there is none. */
  #old: Int32Array = NO_ENTRIES;
  #cursor = 0;
  #positionsLeft = 0;
  readonly #hashes = new Int32Array(MOVES_PER_INSERT);

  /** `words` are the rows' words; `flowsMax` is how many flows there will be at most. */
  constructor(words: Int32Array, flowsMax: number, seed: number) {
    this.#words = words;
    this.#hash = new KeyHash(seed);
    this.#sizeMax = Math.max(SIZE_MIN, Math.ceil((2 * flowsMax) / LOAD_MAX) + 1);
    let size = this.#sizeMax;
    while (size >= 2 * SIZE_MIN) size = Math.ceil(size / 2);
    this.#entries = new Int32Array(size);
  }

  /** Entries that the table has room for, and whether an older one is still being emptied. */
  get size(): number {
    return this.#entries.length;
  }

  get isGrowing(): boolean {
    return this.#old.length > 0;
  }

  /** Counts the entries in use one by one: for tests. */
  entriesUsed(): number {
    const used = (count: number, entry: number) => (entry === 0 ? count : count + 1);
    return this.#entries.reduce(used, 0) + this.#old.reduce(used, 0);
  }

  /** The slot that holds the key, or NONE. The words may be signed or unsigned. */
  find(w0: number, w1: number, w2: number, w3: number): number {
    const hash = this.#hash.of(w0, w1, w2, w3);
    const slot = this.#probe(this.#entries, hash, w0 | 0, w1 | 0, w2 | 0, w3 | 0);
    if (slot !== NONE || this.#old.length === 0) return slot;
    return this.#probe(this.#old, hash, w0 | 0, w1 | 0, w2 | 0, w3 | 0);
  }

  /** Adds both keys of a row that are not in the index yet. */
  insert(slot: number): void {
    if (this.isGrowing) this.#moveSome();
    else if (this.#count + 2 > this.#entries.length * LOAD_MAX) this.#grow();
    this.#place(this.#hashOf(slot, 0), slot, 0);
    this.#place(this.#hashOf(slot, 1), slot, 1);
    this.#count += 2;
  }

  /** Removes both keys of a row that is in the index. */
  remove(slot: number): void {
    this.#removeOne(slot, 0);
    this.#removeOne(slot, 1);
    this.#count -= 2;
  }

  #probe(
    entries: Int32Array,
    hash: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
  ): number {
    const words = this.#words;
    const size = entries.length;
    const inbound = w0 >>> 8 === OUTSIDE_DOMAIN ? 1 : 0;
    const mask0 = inbound === 1 ? 0xff : -1;
    const sought = (hash << TAG_SHIFT) | inbound;
    let at = homeOf(hash, size);
    for (let entry = entries[at]!; entry !== 0; entry = entries[at]!) {
      if (((entry ^ sought) & PROBE_MASK) === 0) {
        const slot = (entry >>> 1) & SLOT_MASK;
        // Words 0 1 2 3 of an outbound key, 0 2 4 5 of an inbound one.
        const base = slot * ROW_WORDS;
        if (
          words[base + 1 + inbound] === w1 &&
          words[base + 2 + 2 * inbound] === w2 &&
          words[base + 3 + 2 * inbound] === w3 &&
          ((words[base]! ^ w0) & mask0) === 0
        ) {
          return slot;
        }
      }
      if (++at === size) at = 0;
    }
    return NONE;
  }

  #hashOf(slot: number, inbound: number): number {
    const words = this.#words;
    const base = slot * ROW_WORDS;
    const w0 = words[base]!;
    return this.#hash.of(
      inbound === 1 ? outsideWord(w0 & 0xff) : w0,
      words[base + 1 + inbound]!,
      words[base + 2 + 2 * inbound]!,
      words[base + 3 + 2 * inbound]!,
    );
  }

  #place(hash: number, slot: number, inbound: number): void {
    const entries = this.#entries;
    const size = entries.length;
    let at = homeOf(hash, size);
    while (entries[at] !== 0) if (++at === size) at = 0;
    entries[at] = (hash << TAG_SHIFT) | (slot << 1) | inbound;
  }

  #removeOne(slot: number, inbound: number): void {
    const hash = this.#hashOf(slot, inbound);
    const entry = (hash << TAG_SHIFT) | (slot << 1) | inbound;
    if (this.#removeFrom(this.#entries, hash, entry)) return;
    this.#removeFrom(this.#old, hash, entry);
  }

  #removeFrom(entries: Int32Array, hash: number, entry: number): boolean {
    const size = entries.length;
    if (size === 0) return false;
    let at = homeOf(hash, size);
    while (entries[at] !== entry) {
      if (entries[at] === 0) return false;
      if (++at === size) at = 0;
    }
    this.#closeGap(entries, at);
    return true;
  }

  /** Empties `gap` and moves up whatever would no longer be found across it. */
  #closeGap(entries: Int32Array, gap: number): void {
    const size = entries.length;
    let at = gap;
    while (true) {
      if (++at === size) at = 0;
      const entry = entries[at]!;
      if (entry === 0) break;
      const home = homeOf(this.#hashOf((entry >>> 1) & SLOT_MASK, entry & 1), size);
      // How far from home the entry is, and how far from it the gap: it may move up to its home.
      const fromHome = at >= home ? at - home : at - home + size;
      const fromGap = at >= gap ? at - gap : at - gap + size;
      if (fromHome < fromGap) continue;
      entries[gap] = entry;
      gap = at;
    }
    entries[gap] = 0;
  }

  #grow(): void {
    const size = this.#entries.length;
    if (size >= this.#sizeMax) return;
    this.#old = this.#entries;
    this.#entries = new Int32Array(Math.min(this.#sizeMax, size * 2));
    // The cursor starts behind an empty entry, so that it never stands within a cluster.
    this.#cursor = this.#old.indexOf(0);
    this.#positionsLeft = size;
  }

  /**
   * Empties the next positions of the old table, and on to the end of a cluster. The hashes come
   * first: loads that don't wait for one another overlap their cache misses (it takes 10 to 15 %
   * off an insert at 1 M flows, November 2026).
   */
  #moveSome(): void {
    const old = this.#old;
    const hashes = this.#hashes;
    const count = Math.min(MOVES_PER_INSERT, this.#positionsLeft);
    for (let i = 0, at = this.#cursor; i < count; i++) {
      const entry = old[at]!;
      if (entry !== 0) hashes[i] = this.#hashOf((entry >>> 1) & SLOT_MASK, entry & 1);
      if (++at === old.length) at = 0;
    }
    for (let i = 0; i < count; i++) this.#moveOne(old[this.#cursor]!, hashes[i]!);
    while (this.#positionsLeft > 0) {
      const entry = old[this.#cursor]!;
      if (entry === 0) return;
      this.#moveOne(entry, this.#hashOf((entry >>> 1) & SLOT_MASK, entry & 1));
    }
    this.#old = NO_ENTRIES;
  }

  #moveOne(entry: number, hash: number): void {
    if (entry !== 0) {
      this.#place(hash, (entry >>> 1) & SLOT_MASK, entry & 1);
      this.#old[this.#cursor] = 0;
    }
    this.#positionsLeft--;
    if (++this.#cursor === this.#old.length) this.#cursor = 0;
  }
}

/**
 * Where the key of this hash is looked for first. Always below `size`: rounding the product of a
 * 32-bit hash and a size below 2^26 to 53 bits is far from reaching it.
 */
function homeOf(hash: number, size: number): number {
  return ((hash >>> 0) * (size * 2 ** -32)) | 0;
}
