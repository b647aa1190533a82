/**
 * lru-cache with a ttl per flow and ttlAutopurge, its own timer per entry. Both keys are entries.
 * A touch leaves the entry's ttl alone: it writes the flow's deadline only, as the others do.
 */
import { LRUCache } from 'lru-cache';
import type { Deadlines } from '../workload.ts';
import type { Contestant } from './contestant.ts';
import { inboundKey, outboundKey, PlainFlow } from './plain-flow.ts';

const GRACE_MS = 1_000;

export class LruCacheContestant implements Contestant {
  readonly #deadlines: Deadlines;
  readonly #cache = new LRUCache<string, PlainFlow>({ ttl: 1, ttlAutopurge: true });
  readonly #options = { ttl: 1 };

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  get size(): number {
    return this.#cache.size / 2;
  }

  insert(n: number, nowMs: number): void {
    const flow = new PlainFlow(n, nowMs, this.#deadlines);
    this.#options.ttl = Math.max(1, flow.deadlineMs - nowMs);
    this.#cache.set(outboundKey(n), flow, this.#options);
    this.#cache.set(inboundKey(n), flow, this.#options);
  }

  touch(n: number, isInbound: boolean, nowMs: number): boolean {
    const flow = this.#cache.get(isInbound ? inboundKey(n) : outboundKey(n));
    if (flow === undefined) return false;
    flow.seenMs = nowMs;
    flow.deadlineMs = this.#deadlines.of(n);
    return true;
  }

  /** What its own timers missed: one that fires too early for its entry never comes again. */
  poll(nowMs: number): void {
    if (nowMs > this.#deadlines.endMs + GRACE_MS) this.#cache.purgeStale();
  }

  close(): void {
    this.#cache.clear();
  }
}
