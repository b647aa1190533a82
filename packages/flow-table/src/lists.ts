/**
 * Doubly linked lists of slots, threaded through one array. A slot is in one list at most, and
 * leaves it without anybody knowing which one that is.
 *
 * ```
 *  node:       0   1   2   3   4  ...  slots-1 | slots  slots+1 ...
 *  next,prev:  -   list nodes of the slots     | sentinels, one per list
 *
 *  list 0:  sentinel -> slot 7 -> slot 2 -> sentinel          an empty list points at itself
 * ```
 */
export class Lists {
  /** next at 2 * node, previous at 2 * node + 1: one cache line for both. */
  readonly #links: Int32Array;
  readonly #slots: number;

  constructor(slots: number, lists: number) {
    this.#slots = slots;
    this.#links = new Int32Array((slots + lists) * 2);
    for (let list = 0; list < lists; list++) this.#reset(slots + list);
  }

  append(list: number, slot: number): void {
    const links = this.#links;
    const sentinel = this.#slots + list;
    const last = links[2 * sentinel + 1]!;
    links[2 * slot] = sentinel;
    links[2 * slot + 1] = last;
    links[2 * last] = slot;
    links[2 * sentinel + 1] = slot;
  }

  prepend(list: number, slot: number): void {
    const links = this.#links;
    const sentinel = this.#slots + list;
    const first = links[2 * sentinel]!;
    links[2 * slot] = first;
    links[2 * slot + 1] = sentinel;
    links[2 * first + 1] = slot;
    links[2 * sentinel] = slot;
  }

  /** Takes the slot out of its list. Returns that list if it is empty now, -1 otherwise. */
  unlink(slot: number): number {
    const links = this.#links;
    const next = links[2 * slot]!;
    const previous = links[2 * slot + 1]!;
    links[2 * previous] = next;
    links[2 * next + 1] = previous;
    return next === previous && next >= this.#slots ? next - this.#slots : -1;
  }

  /** The list's first slot, -1 when it is empty. */
  first(list: number): number {
    const node = this.#links[2 * (this.#slots + list)]!;
    return node < this.#slots ? node : -1;
  }

  isEmpty(list: number): boolean {
    return this.first(list) === -1;
  }

  /** Appends all of one list to another, in O(1), and leaves it empty. */
  moveAll(from: number, to: number): void {
    if (this.isEmpty(from)) return;
    const links = this.#links;
    const source = this.#slots + from;
    const target = this.#slots + to;
    const first = links[2 * source]!;
    const last = links[2 * source + 1]!;
    const targetLast = links[2 * target + 1]!;
    links[2 * targetLast] = first;
    links[2 * first + 1] = targetLast;
    links[2 * last] = target;
    links[2 * target + 1] = last;
    this.#reset(source);
  }

  #reset(sentinel: number): void {
    this.#links[2 * sentinel] = sentinel;
    this.#links[2 * sentinel + 1] = sentinel;
  }
}
