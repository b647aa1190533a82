/**
 * What an ancestor did: a priority queue of deadlines, polled by a stage of the pipeline. A binary
 * heap that knows where each slot is, so that a stopped timer leaves it at once.
 *
 * ```
 *  heap:      [0]  earliest wake-up     at i: children at 2i + 1 and 2i + 2, none earlier than i
 *            /    \
 *          [1]    [2]                   #slots[i], #wakesMs[i]; #places[slot] = i
 * ```
 */
import { type Expiry, type ExpiryContext, NONE } from '@flowstore/flow-table';

const LENGTH_MIN = 64;

export class AncestorHeap implements Expiry {
  stepsLeft = 0;
  readonly #context: ExpiryContext;
  readonly #places: Int32Array;
  #slots = new Int32Array(LENGTH_MIN);
  #wakesMs = new Float64Array(LENGTH_MIN);
  #length = 0;

  constructor(context: ExpiryContext) {
    this.#context = context;
    this.#places = new Int32Array(context.slots);
  }

  arm(slot: number): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#length++;
    this.#rise(this.#length - 1, slot, this.#context.deadlineMs(slot));
  }

  disarm(slot: number): void {
    this.#takeAt(this.#places[slot]!);
  }

  takeDue(nowMs: number): number {
    while (this.#length > 0 && this.stepsLeft > 0 && this.#wakesMs[0]! <= nowMs) {
      this.stepsLeft--;
      const slot = this.#slots[0]!;
      const deadlineMs = this.#context.deadlineMs(slot);
      if (deadlineMs <= nowMs) {
        this.#takeAt(0);
        return slot;
      }
      // Extended since: sleeps again.
      this.#sink(0, slot, deadlineMs);
    }
    return NONE;
  }

  takeStale(nowMs: number): number {
    return this.takeDue(nowMs);
  }

  nextDueMs(): number {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.#wakesMs[0]!;
  }

  /** Takes the entry out and lets the last one find its place from there. */
  #takeAt(place: number): void {
    this.#length--;
    if (place === this.#length) return;
    const slot = this.#slots[this.#length]!;
    const wakeMs = this.#wakesMs[this.#length]!;
    if (place > 0 && wakeMs < this.#wakesMs[(place - 1) >> 1]!) this.#rise(place, slot, wakeMs);
    else this.#sink(place, slot, wakeMs);
  }

  /** Puts an entry at this place or above. */
  #rise(place: number, slot: number, wakeMs: number): void {
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (this.#wakesMs[parent]! <= wakeMs) break;
      this.#set(place, this.#slots[parent]!, this.#wakesMs[parent]!);
      place = parent;
    }
    this.#set(place, slot, wakeMs);
  }

  /** Puts an entry at this place or below. */
  #sink(place: number, slot: number, wakeMs: number): void {
    for (let child = 2 * place + 1; child < this.#length; child = 2 * place + 1) {
      const right = child + 1;
      if (right < this.#length && this.#wakesMs[right]! < this.#wakesMs[child]!) child = right;
      if (wakeMs <= this.#wakesMs[child]!) break;
      this.#set(place, this.#slots[child]!, this.#wakesMs[child]!);
      place = child;
    }
    this.#set(place, slot, wakeMs);
  }

  #set(place: number, slot: number, wakeMs: number): void {
    this.#slots[place] = slot;
    this.#wakesMs[place] = wakeMs;
    this.#places[slot] = place;
  }

  #grow(): void {
    const slots = new Int32Array(2 * this.#length);
    slots.set(this.#slots);
    this.#slots = slots;
    const wakesMs = new Float64Array(2 * this.#length);
    wakesMs.set(this.#wakesMs);
    this.#wakesMs = wakesMs;
  }
}
