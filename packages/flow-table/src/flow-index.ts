/**
 * From key to slot: open addressing with linear probing, both directions of a flow in one array of
 * 64-bit entries.
 *
 * ```
 *  word 0                          word 1
 *  +-----------------------------+ +----------------------------+------+
 *  | hash (32)                   | | slot (24)                  | kind |   0: empty (slot 0 is
 *  +-----------------------------+ +----------------------------+------+      nobody's)
 *                                                     kind: 1 inbound key, 2 IPv6 key
 *
 *  home = hash * size / 2^32 (its high bits): entries are sorted by hash, roughly. There is no
 *  wrap-around: what finds no room before `size` goes on into the tail behind it.
 * ```
 *
 * With the whole hash in the entry, a stranger met on the way is passed without a look at its row,
 * and neither deletion nor growth reads any row. (32-bit entries with a 7-bit tag took 10 bytes
 * less per flow; growing them read each row again, a cache miss each: a quarter of an insert.)
 *
 * Deletion leaves no tombstone: entries behind the gap move up when that brings them closer to
 * their home.
 *
 * Growth never stops the world, and allocates nothing: the array has room for the final size, and
 * its untouched pages cost no memory. Since homes keep the order of hashes, the entries are spread
 * in place, from the top down, a few at each insert:
 *
 * ```
 *          0                    cursor        old size            new size        final size  tail
 *  before  | ...................entries......^ |                      |                    |     |
 *  midway  | ....entries.....^ |   (gap)      |  e n t r i e s       |                    |     |
 *  after   ^ e  n  t  r  i  e  s                                     |                    |     |
 * ```
 *
 * A hash below the boundary (the first whose old home is the cursor) has its old home still, all
 * others have their new one. A step takes out all entries from a position behind an empty one up
 * to the next empty one, moves the cursor to where it began, and puts them back: whatever the two
 * layouts' entries are mixed with, every entry is then reached from its home without a gap, which
 * is all that probing asks for.
 */
import { IPV6_KEY_WORDS, type IpAddress, OUTSIDE_DOMAIN } from '@flowstore/flow';
import { ENTRY_WORDS, REMOTE6, wordAt } from './addresses6.ts';
import { type Key6, KeyHash } from './key-hash.ts';
import { NONE } from './none.ts';
import {
  type FlowKeys,
  type FlowKeys6,
  INSIDE_PORTS,
  outsideWord,
  ROW_WORDS,
  type Rows,
} from './rows.ts';

/**
 * Successful lookups look at 2 entries then, unsuccessful ones at 6, of 8 in a cache line. 0.8
 * would take 3 bytes less per flow, and made lookups 5 to 15 % slower (1 M flows, November 2026).
 */
const LOAD_MAX = 0.7;
const SIZE_MIN = 1_024;
/** A table is 52 to 70 % full: each growth is by a third. */
const GROWTH = 4 / 3;
/**
 * Positions that an insert spreads while the index grows: a share of its size, so that growth is
 * soon over, but no more than take some 20 µs. Many at once are cheaper each (they are read and
 * written in a row): 2,048 instead of 32 took a fifth off an insert (1 M flows, November 2026).
 */
const MOVES_SHARE = 1 / 32;
const MOVES_MAX = 2_048;
/** Positions behind the last home. Tables of half as many flows cannot fill it, others never do. */
const TAIL_MAX = 65_536;
/** Keys of one prefetch. */
export const PREFETCH_MAX = 64;
const KIND_BITS = 2;
const KIND_MASK = (1 << KIND_BITS) - 1;
const INBOUND_KIND = 1;
const IPV6_KIND = 2;
/** Words of an IPv6 key between its first and its last: both addresses. */
const ADDRESSES_WORDS = IPV6_KEY_WORDS - 2;

export class FlowIndex {
  /** What the last seek found: slots or NONE, and the hashes that `insert` wants. */
  inside = NONE;
  outside = NONE;
  insideHash = 0;
  outsideHash = 0;
  /** What was read ahead of two probes. It tells nothing; unless kept, it would not be read. */
  ahead = 0;
  readonly #rows: Rows;
  readonly #words: Int32Array;
  readonly #hash: KeyHash;
  readonly #sizeMax: number;
  readonly #entries: Int32Array;
  /** Of each key that was prefetched last: its slot, or 0. */
  readonly foreseen = new Int32Array(PREFETCH_MAX);
  readonly #hashes = new Int32Array(PREFETCH_MAX);
  #count = 0;
  #size: number;
  /** Homes per hash, of the size and of the one before it. */
  #scale: number;
  #oldScale = 0;
  /** Hashes below it have their old home: 0 when nothing grows. */
  #boundary = 0;
  #cursor = 0;
  #movesPerInsert = 0;
  /** Entries on the move, and room for an empty one behind them. */
  #moved = new Int32Array(4 * MOVES_MAX);
  readonly #key6 = new Int32Array(IPV6_KEY_WORDS);

  /** `flowsMax` is how many flows there will be at most. */
  constructor(rows: Rows, flowsMax: number, seed: number) {
    this.#rows = rows;
    this.#words = rows.words;
    this.#hash = new KeyHash(seed);
    this.#sizeMax = Math.max(SIZE_MIN, Math.ceil((2 * flowsMax) / LOAD_MAX));
    const tail = Math.min(2 * flowsMax, TAIL_MAX) + 1;
    this.#entries = new Int32Array(2 * (this.#sizeMax + tail));
    let size = this.#sizeMax;
    while (size >= GROWTH * SIZE_MIN) size = Math.ceil(size / GROWTH);
    this.#size = size;
    this.#scale = size / 2 ** 32;
  }

  /** Homes that there are now, and whether some entries are still where they had fewer. */
  get size(): number {
    return this.#size;
  }

  get isGrowing(): boolean {
    return this.#boundary !== 0;
  }

  /** The slot that holds the key, or NONE. The words may be signed or unsigned. */
  find(w0: number, w1: number, w2: number, w3: number): number {
    const kind = w0 >>> 8 === OUTSIDE_DOMAIN ? INBOUND_KIND : 0;
    return this.#probe(this.#hash.of(w0, w1, w2, w3), kind, w0, w1, w2, w3);
  }

  /**
   * Brings what `find` will read for so many keys (four words each, one after the other; up to
   * PREFETCH_MAX of them) into the CPU's cache. A lookup is two misses, the index's line and the
   * row's, and the second waits for the first; those of different keys wait for nothing. So that
   * as many as possible are under way at once, each loop is as short as can be.
   */
  prefetch(keys: Int32Array, count: number): void {
    const entries = this.#entries;
    const words = this.#words;
    const hashes = this.#hashes;
    const places = this.foreseen;
    const hash = this.#hash;
    for (let i = 0, w = 0; i < count; i++, w += 4) {
      hashes[i] = hash.of(keys[w]!, keys[w + 1]!, keys[w + 2]!, keys[w + 3]!);
    }
    let ahead = 0;
    for (let i = 0; i < count; i++) {
      const at = this.#homeOf(hashes[i]!);
      places[i] = at;
      ahead ^= entries[at]!;
    }
    for (let i = 0; i < count; i++) {
      const wanted = hashes[i]!;
      let at = places[i]!;
      while (entries[at] !== wanted && entries[at + 1] !== 0) at += 2;
      places[i] = entries[at + 1]! >>> KIND_BITS;
    }
    for (let i = 0; i < count; i++) ahead ^= words[places[i]! * ROW_WORDS]!;
    this.ahead = ahead;
  }

  /** Looks for both keys of a flow: `inside`, `outside` and their hashes say what was found. */
  seek(keys: FlowKeys): void {
    const { insideAddress, remoteAddress, outsideAddress, remotePort } = keys;
    const w0 = (keys.domain << 8) | keys.protocol;
    const realm = outsideWord(keys.protocol);
    const insidePorts = (keys.insidePort << 16) | remotePort;
    const outsidePorts = (remotePort << 16) | keys.outsidePort;
    const insideHash = this.#hash.of(w0, insideAddress, remoteAddress, insidePorts);
    const outsideHash = this.#hash.of(realm, remoteAddress, outsideAddress, outsidePorts);
    this.#approach(insideHash, outsideHash);
    this.insideHash = insideHash;
    this.outsideHash = outsideHash;
    this.inside = this.#probe(insideHash, 0, w0, insideAddress, remoteAddress, insidePorts);
    this.outside = this.#probe(
      outsideHash,
      INBOUND_KIND,
      realm,
      remoteAddress,
      outsideAddress,
      outsidePorts,
    );
  }

  /** As find, by an IPv6 key's ten words. */
  find6(key: Key6): number {
    const kind = IPV6_KIND | (key[0]! >>> 8 === OUTSIDE_DOMAIN ? INBOUND_KIND : 0);
    return this.#probe6(this.#hash.of6(key), kind, key);
  }

  /** As seek, of an IPv6 flow. */
  seek6(keys: FlowKeys6): void {
    const { insideAddress, remoteAddress, outsideAddress, remotePort } = keys;
    const key = this.#key6;
    const w0 = (keys.domain << 8) | keys.protocol;
    fillKey6(key, w0, insideAddress, remoteAddress, (keys.insidePort << 16) | remotePort);
    this.insideHash = this.#hash.of6(key);
    this.inside = this.#probe6(this.insideHash, IPV6_KIND, key);
    const outsidePorts = (remotePort << 16) | keys.outsidePort;
    fillKey6(key, outsideWord(keys.protocol), remoteAddress, outsideAddress, outsidePorts);
    this.outsideHash = this.#hash.of6(key);
    this.outside = this.#probe6(this.outsideHash, IPV6_KIND | INBOUND_KIND, key);
  }

  /** Adds both keys of a row that are not in the index yet, by their hashes. */
  insert(slot: number, insideHash: number, outsideHash: number): void {
    if (this.#boundary !== 0) this.#spreadSome();
    else if (this.#count + 2 > this.#size * LOAD_MAX) this.#grow();
    const ref = (slot << KIND_BITS) | (this.#rows.isIpv6(slot) ? IPV6_KIND : 0);
    this.#place(insideHash, ref);
    this.#place(outsideHash, ref | INBOUND_KIND);
    this.#count += 2;
  }

  /** Removes both keys of a row that is in the index. */
  remove(slot: number): void {
    if (this.#rows.isIpv6(slot)) {
      this.#removeBoth(this.#hash6Of(slot, 0), this.#hash6Of(slot, 1), slot, IPV6_KIND);
      return;
    }
    const words = this.#words;
    const base = slot * ROW_WORDS;
    const w0 = words[base]!;
    const remote = words[base + 2]!;
    const inside = this.#hash.of(w0, words[base + 1]!, remote, words[base + 3]!);
    const realm = outsideWord(w0 & 0xff);
    const outside = this.#hash.of(realm, remote, words[base + 4]!, words[base + 5]!);
    this.#removeBoth(inside, outside, slot, 0);
  }

  /** How entries lie, counted one by one: for tests, and to see what a hash is worth. */
  survey(): { used: number; probesMean: number; probesMax: number; clusterMax: number } {
    let used = 0;
    let probes = 0;
    let probesMax = 0;
    let clusterMax = 0;
    for (let at = 0, cluster = 0; at < this.#entries.length; at += 2) {
      cluster = this.#entries[at + 1] === 0 ? 0 : cluster + 1;
      if (cluster === 0) continue;
      used++;
      const distance = 1 + (at - this.#homeOf(this.#entries[at]!)) / 2;
      probes += distance;
      probesMax = Math.max(probesMax, distance);
      clusterMax = Math.max(clusterMax, cluster);
    }
    return { used, probesMean: used === 0 ? 0 : probes / used, probesMax, clusterMax };
  }

  /** The word at which the key of this hash is looked for first. */
  #homeOf(hash: number): number {
    const unsigned = hash >>> 0;
    return 2 * ((unsigned * (unsigned < this.#boundary ? this.#oldScale : this.#scale)) | 0);
  }

  #probe(hash: number, kind: number, w0: number, w1: number, w2: number, w3: number): number {
    const words = this.#words;
    const entries = this.#entries;
    let at = this.#homeOf(hash);
    for (let ref = entries[at + 1]!; ref !== 0; ref = entries[at + 1]!) {
      if (entries[at] === hash && (ref & KIND_MASK) === kind) {
        // Words 0 1 2 3 of an outbound key, 0 2 4 5 of an inbound one.
        const slot = ref >>> KIND_BITS;
        const base = slot * ROW_WORDS;
        if (
          words[base + 1 + kind] === (w1 | 0) &&
          words[base + 2 + 2 * kind] === (w2 | 0) &&
          words[base + 3 + 2 * kind] === (w3 | 0) &&
          ((words[base]! ^ w0) & (kind === 0 ? -1 : 0xff)) === 0
        ) {
          return slot;
        }
      }
      at += 2;
    }
    return NONE;
  }

  #probe6(hash: number, kind: number, key: Key6): number {
    const entries = this.#entries;
    let at = this.#homeOf(hash);
    for (let ref = entries[at + 1]!; ref !== 0; ref = entries[at + 1]!) {
      if (entries[at] === hash && (ref & KIND_MASK) === kind) {
        const slot = ref >>> KIND_BITS;
        if (this.#equals6(slot, kind & INBOUND_KIND, key)) return slot;
      }
      at += 2;
    }
    return NONE;
  }

  #equals6(slot: number, inbound: number, key: Key6): boolean {
    const base = slot * ROW_WORDS;
    const ports = this.#words[base + INSIDE_PORTS + 2 * inbound]!;
    const differing0 = (this.#words[base]! ^ key[0]!) & (inbound === 0 ? -1 : 0xff);
    if (differing0 !== 0 || ports !== (key[IPV6_KEY_WORDS - 1]! | 0)) return false;
    const { words } = this.#rows.addresses6;
    const first = this.#rows.entry6(slot) * ENTRY_WORDS + REMOTE6 * inbound;
    for (let i = 0; i < ADDRESSES_WORDS; i++) {
      if (words[first + i] !== (key[1 + i]! | 0)) return false;
    }
    return true;
  }

  #hash6Of(slot: number, inbound: number): number {
    const key = this.#key6;
    const base = slot * ROW_WORDS;
    const { words } = this.#rows.addresses6;
    const first = this.#rows.entry6(slot) * ENTRY_WORDS + REMOTE6 * inbound;
    const w0 = this.#words[base]!;
    key[0] = inbound === 0 ? w0 : outsideWord(w0 & 0xff);
    for (let i = 0; i < ADDRESSES_WORDS; i++) key[1 + i] = words[first + i]!;
    key[IPV6_KEY_WORDS - 1] = this.#words[base + INSIDE_PORTS + 2 * inbound]!;
    return this.#hash.of6(key);
  }

  /**
   * Reads both homes before either is probed, so that their two cache misses overlap: a probe's
   * branches would hold the second one back until the first has arrived.
   */
  #approach(insideHash: number, outsideHash: number): void {
    const entries = this.#entries;
    this.ahead = entries[this.#homeOf(insideHash)]! ^ entries[this.#homeOf(outsideHash)]!;
  }

  #place(hash: number, ref: number): void {
    const entries = this.#entries;
    let at = this.#homeOf(hash);
    while (entries[at + 1] !== 0) at += 2;
    if (at + 2 >= entries.length) throw noSpread();
    entries[at] = hash;
    entries[at + 1] = ref;
  }

  #removeBoth(insideHash: number, outsideHash: number, slot: number, kind: number): void {
    this.#approach(insideHash, outsideHash);
    this.#removeOne(insideHash, (slot << KIND_BITS) | kind);
    this.#removeOne(outsideHash, (slot << KIND_BITS) | kind | INBOUND_KIND);
    this.#count -= 2;
  }

  #removeOne(hash: number, ref: number): void {
    const entries = this.#entries;
    let at = this.#homeOf(hash);
    while (entries[at + 1] !== ref) at += 2;
    let gap = at;
    for (at += 2; entries[at + 1] !== 0; at += 2) {
      if (this.#homeOf(entries[at]!) > gap) continue;
      entries[gap] = entries[at]!;
      entries[gap + 1] = entries[at + 1]!;
      gap = at;
    }
    entries[gap + 1] = 0;
  }

  #grow(): void {
    if (this.#size >= this.#sizeMax) return;
    this.#cursor = this.#size;
    this.#movesPerInsert = Math.min(MOVES_MAX, Math.ceil(this.#size * MOVES_SHARE));
    this.#boundary = 2 ** 32;
    this.#oldScale = this.#scale;
    this.#size = Math.min(this.#sizeMax, Math.ceil(this.#size * GROWTH));
    this.#scale = this.#size / 2 ** 32;
  }

  #spreadSome(): void {
    const entries = this.#entries;
    let start = Math.max(0, this.#cursor - this.#movesPerInsert);
    while (start > 0 && entries[2 * start - 1] !== 0) start--;
    let end = this.#cursor;
    while (entries[2 * end + 1] !== 0) end++;
    if (2 * (end - start) >= this.#moved.length) this.#moved = new Int32Array(4 * (end - start));
    const moved = this.#moved;
    let count = 0;
    for (let at = 2 * start; at < 2 * end; at += 2) {
      const ref = entries[at + 1]!;
      moved[count] = entries[at]!;
      moved[count + 1] = ref;
      entries[at + 1] = 0;
      // Two if there was one, without a branch: which are empty is anybody's guess.
      count += ((ref | -ref) >>> 31) << 1;
    }
    this.#cursor = start;
    this.#boundary = firstHashAt(start, this.#oldScale);
    // None of them is below the new boundary.
    const scale = this.#scale;
    for (let i = 0; i < count; i += 2) {
      const hash = moved[i]!;
      let at = 2 * (((hash >>> 0) * scale) | 0);
      while (entries[at + 1] !== 0) at += 2;
      if (at + 2 >= entries.length) throw noSpread();
      entries[at] = hash;
      entries[at + 1] = moved[i + 1]!;
    }
  }
}

/** The smallest hash whose home is not below `position`: rounding may be off by one either way. */
function firstHashAt(position: number, scale: number): number {
  let hash = Math.ceil(position / scale);
  while (hash > 0 && Math.floor((hash - 1) * scale) >= position) hash--;
  while (Math.floor(hash * scale) < position) hash++;
  return hash;
}

/** The very last entry stays empty: it is where probing ends. No good hash ever gets there. */
function noSpread(): Error {
  return new Error('the hash of the flow index does not spread: its tail is full');
}

function fillKey6(key: Key6, w0: number, from: IpAddress, to: IpAddress, ports: number): void {
  key[0] = w0;
  for (let i = 0; i < 4; i++) {
    key[1 + i] = wordAt(from, i);
    key[5 + i] = wordAt(to, i);
  }
  key[IPV6_KEY_WORDS - 1] = ports;
}
