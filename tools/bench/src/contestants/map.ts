/** A Map of objects with one setTimeout each, which sleeps again if its flow was extended. */
import type { Deadlines } from '../workload.ts';
import { type Contestant, clockMs } from './contestant.ts';
import { inboundKey, outboundKey, PlainFlow } from './plain-flow.ts';

class MapFlow extends PlainFlow {
  readonly outboundKey: string;
  readonly inboundKey: string;
  timer: NodeJS.Timeout | undefined = undefined;

  constructor(n: number, nowMs: number, deadlines: Deadlines) {
    super(n, nowMs, deadlines);
    this.outboundKey = outboundKey(n);
    this.inboundKey = inboundKey(n);
  }
}

export class MapContestant implements Contestant {
  readonly #deadlines: Deadlines;
  readonly #flows = new Map<string, MapFlow>();

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  get size(): number {
    return this.#flows.size / 2;
  }

  insert(n: number, nowMs: number): void {
    const flow = new MapFlow(n, nowMs, this.#deadlines);
    clearTimeout(this.#flows.get(flow.outboundKey)?.timer);
    this.#flows.set(flow.outboundKey, flow);
    this.#flows.set(flow.inboundKey, flow);
    this.#sleep(flow, nowMs);
  }

  touch(n: number, isInbound: boolean, nowMs: number): boolean {
    const flow = this.#flows.get(isInbound ? inboundKey(n) : outboundKey(n));
    if (flow === undefined || nowMs >= flow.deadlineMs) return false;
    flow.seenMs = nowMs;
    flow.deadlineMs = this.#deadlines.of(n);
    return true;
  }

  poll(): void {}

  close(): void {
    for (const flow of this.#flows.values()) clearTimeout(flow.timer);
    this.#flows.clear();
  }

  /** The loop's clock stands still during a turn, and so may fire a ms early. */
  #sleep(flow: MapFlow, nowMs: number): void {
    flow.timer = setTimeout(this.#fire, Math.max(flow.deadlineMs - nowMs + 1, 1), flow);
  }

  readonly #fire = (flow: MapFlow): void => {
    const nowMs = clockMs();
    if (nowMs < flow.deadlineMs) {
      this.#sleep(flow, nowMs);
      return;
    }
    if (this.#flows.get(flow.outboundKey) === flow) this.#flows.delete(flow.outboundKey);
    if (this.#flows.get(flow.inboundKey) === flow) this.#flows.delete(flow.inboundKey);
  };
}
