/**
 * Which slots are in use, by which incarnation, with which status. Freed slots are used again last
 * in, first out: a table that is mostly empty touches few pages, and a column's untouched pages
 * cost no memory.
 *
 * ```
 *  life          30                      2 1      0
 *               +-------------------------+--------+    rank: 0 detached (or never used)
 *               | incarnation (29 bits)   | rank   |          1 cancelled
 *               +-------------------------+--------+          2 expired     2 and 3 are stored
 *                                                             3 active
 * ```
 *
 * A freed slot keeps its last incarnation and status until it is used again, so that a holder of a
 * handle can be told Cancelled. A slot whose last incarnation is freed is never used again.
 */
import { FlowStatus } from '@flowstore/flow';
import { type Handle, incarnationOfHandle, makeHandle, slotOfHandle } from './handle.ts';
import type { Lists } from './lists.ts';
import { NONE } from './none.ts';
import { LIFE, ROW_WORDS, type Rows } from './rows.ts';

/** Status is 3 - rank, so that a column of zeros says Detached. */
const RANK_MASK = 3;
const STORED_BIT = 2;

export class Slots {
  /** The rows' words: a slot's life is one of them. */
  readonly #words: Int32Array;
  readonly #slots: number;
  readonly #lists: Lists;
  readonly #freeList: number;
  readonly #incarnationsMax: number;
  #used = 0;
  #retired = 0;

  /** Free slots wait in the list `freeList` of `lists`. */
  constructor(rows: Rows, lists: Lists, freeList: number, incarnationsMax: number) {
    this.#words = rows.words;
    this.#slots = Math.floor(rows.words.length / ROW_WORDS);
    this.#lists = lists;
    this.#freeList = freeList;
    this.#incarnationsMax = incarnationsMax;
  }

  /** Slots ever used: 1 to this number. */
  get used(): number {
    return this.#used;
  }

  get retired(): number {
    return this.#retired;
  }

  get hasRoom(): boolean {
    return this.#used + 1 < this.#slots || !this.#lists.isEmpty(this.#freeList);
  }

  /** Whether there is such a slot, and it can be taken again once it is freed. */
  isReusable(slot: number): boolean {
    return slot !== NONE && this.#life(slot) >>> 2 < this.#incarnationsMax;
  }

  /** Whether nobody used the slot before its present flow. */
  isFirstUse(slot: number): boolean {
    return this.#life(slot) >>> 2 === 1;
  }

  /** An Active slot of a new incarnation; NONE when all are in use or retired. */
  take(): number {
    let slot = this.#lists.first(this.#freeList);
    let incarnation = 1;
    if (slot !== NONE) {
      this.#lists.unlink(slot);
      incarnation = (this.#life(slot) >>> 2) + 1;
    } else if (this.#used + 1 < this.#slots) {
      // Its row is not read first: that would map its page once more.
      slot = ++this.#used;
    } else {
      return NONE;
    }
    this.#words[slot * ROW_WORDS + LIFE] = (incarnation << 2) | (3 - FlowStatus.Active);
    return slot;
  }

  /** Ends the slot's incarnation as Cancelled or Detached. */
  free(slot: number, status: typeof FlowStatus.Cancelled | typeof FlowStatus.Detached): void {
    this.setStatus(slot, status);
    if (!this.isReusable(slot)) {
      this.#retired++;
      return;
    }
    this.#lists.prepend(this.#freeList, slot);
  }

  setStatus(slot: number, status: FlowStatus): void {
    this.#words[slot * ROW_WORDS + LIFE] = (this.#life(slot) & ~RANK_MASK) | (3 - status);
  }

  statusOf(slot: number): FlowStatus {
    return (3 - (this.#life(slot) & RANK_MASK)) as FlowStatus;
  }

  /** Active or Expired: the slot holds a row. */
  isStored(slot: number): boolean {
    return (this.#life(slot) & STORED_BIT) !== 0;
  }

  handleOf(slot: number): Handle {
    return makeHandle(this.#life(slot) >>> 2, slot);
  }

  /** The handle's slot if that still is of the handle's incarnation, or NONE. */
  slotOf(handle: Handle): number {
    const slot = slotOfHandle(handle);
    return handle > 0 && this.#life(slot) >>> 2 === incarnationOfHandle(handle) ? slot : NONE;
  }

  /** The next stored slot after this one (0 to begin with), or NONE. */
  nextStored(after: number): number {
    for (let slot = after + 1; slot <= this.#used; slot++) {
      if (this.isStored(slot)) return slot;
    }
    return NONE;
  }

  #life(slot: number): number {
    return this.#words[slot * ROW_WORDS + LIFE]!;
  }
}
