/**
 * Which slots are in use, by which incarnation, with which status. Freed slots are used again last
 * in, first out: a table that is mostly empty touches few pages, and a column's untouched pages
 * cost no memory.
 *
 * ```
 *  lives[slot]   30                      2 1      0
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

/** Status is 3 - rank, so that a column of zeros says Detached. */
const RANK_MASK = 3;
const STORED_BIT = 2;

export class Slots {
  readonly #lives: Int32Array;
  readonly #lists: Lists;
  readonly #freeList: number;
  readonly #incarnationsMax: number;
  #used = 0;
  #retired = 0;

  /** Free slots wait in the list `freeList` of `lists`. */
  constructor(slots: number, lists: Lists, freeList: number, incarnationsMax: number) {
    this.#lives = new Int32Array(slots);
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
    return this.#used + 1 < this.#lives.length || !this.#lists.isEmpty(this.#freeList);
  }

  /** Whether the slot can be taken again once it is freed. */
  isReusable(slot: number): boolean {
    return this.#lives[slot]! >>> 2 < this.#incarnationsMax;
  }

  /** An Active slot of a new incarnation; NONE when all are in use or retired. */
  take(): number {
    let slot = this.#lists.first(this.#freeList);
    if (slot !== NONE) this.#lists.unlink(slot);
    else if (this.#used + 1 < this.#lives.length) slot = ++this.#used;
    else return NONE;
    const incarnation = (this.#lives[slot]! >>> 2) + 1;
    this.#lives[slot] = (incarnation << 2) | (3 - FlowStatus.Active);
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
    this.#lives[slot] = (this.#lives[slot]! & ~RANK_MASK) | (3 - status);
  }

  statusOf(slot: number): FlowStatus {
    return (3 - (this.#lives[slot]! & RANK_MASK)) as FlowStatus;
  }

  /** Active or Expired: the slot holds a row. */
  isStored(slot: number): boolean {
    return (this.#lives[slot]! & STORED_BIT) !== 0;
  }

  handleOf(slot: number): Handle {
    return makeHandle(this.#lives[slot]! >>> 2, slot);
  }

  /** The handle's slot if that still is of the handle's incarnation, or NONE. */
  slotOf(handle: Handle): number {
    const slot = slotOfHandle(handle);
    return handle > 0 && this.#lives[slot]! >>> 2 === incarnationOfHandle(handle) ? slot : NONE;
  }

  /** The next stored slot after this one (0 to begin with), or NONE. */
  nextStored(after: number): number {
    for (let slot = after + 1; slot <= this.#used; slot++) {
      if (this.isStored(slot)) return slot;
    }
    return NONE;
  }
}
