/**
 * The one clock of the world and what will happen: a heap ordered by (time, order of entry).
 * Nothing in the simulator waits for anything else.
 */
interface Happening {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class Timeline {
  nowMs = 0;
  /** How much happened so far. */
  happened = 0;
  readonly #heap: Happening[] = [];
  #order = 0;
  #stopped = false;

  get pending(): number {
    return this.#heap.length;
  }

  at(atMs: number, run: () => void): void {
    const happening = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run };
    this.#heap.push(happening);
    this.#rise(this.#heap.length - 1, happening);
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.nowMs + delayMs, run);
  }

  /** Nothing happens any more. */
  stop(): void {
    this.#stopped = true;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Lets everything up to `untilMs` happen, and ends there. */
  runUntil(untilMs: number): void {
    while (!this.#stopped) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#takeFirst();
      this.nowMs = next.atMs;
      this.happened++;
      next.run();
    }
    if (!this.#stopped) this.nowMs = Math.max(this.nowMs, untilMs);
  }

  #rise(at: number, happening: Happening): void {
    const heap = this.#heap;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(happening, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = happening;
  }

  #takeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
