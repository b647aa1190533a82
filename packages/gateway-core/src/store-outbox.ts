/**
 * Requests wait here until they leave as a batch. Batching is natural: while `callsInFlightMax`
 * calls of an operation are under way, its requests gather; when an answer comes, all of them leave
 * together. An idle gateway thus asks at once, a busy one in large batches, and no timer is needed.
 *
 * Touches gather for a while in any case: no packet waits for them, a flow that changes again
 * meanwhile is told once, and those of a shard share a script call.
 *
 * A request is built when it leaves, not when it is queued: the ages in it are then true. A request
 * that turns out to be moot by then (its flow is gone) is null and is not sent.
 */
import {
  OPERATIONS,
  type Operation,
  type Operations,
  type StoreCall,
  type StoreReply,
} from './store-call.ts';

/** @param sentMs when the request left: what the answer confirms was true then */
export type OnAnswer<O extends Operation> = (
  result: Operations[O]['result'] | null,
  sentMs: number,
  nowMs: number,
) => void;

interface Waiting<O extends Operation> {
  readonly build: (nowMs: number) => Operations[O]['request'] | null;
  readonly onAnswer: OnAnswer<O>;
}

interface InFlight {
  readonly operation: Operation;
  readonly answers: OnAnswer<Operation>[];
  readonly sentMs: number;
}

export interface OutboxLimits {
  readonly requestsPerCallMax: number;
  readonly callsInFlightMax: number;
  /** Requests that wait, per operation; at the limit `ask` says no. */
  readonly requestsWaitingMax: number;
  /** Touches wait so long for others, unless there are enough for a call. */
  readonly touchGatherMs: number;
  /** A call without any reply for so long is taken for lost. */
  readonly callLostMs: number;
}

export class StoreOutbox {
  readonly #limits: OutboxLimits;
  readonly #waiting = new Map<Operation, Waiting<Operation>[]>(OPERATIONS.map((o) => [o, []]));
  readonly #inFlight = new Map<number, InFlight>();
  readonly #callsInFlight = new Map<Operation, number>(OPERATIONS.map((o) => [o, 0]));
  #nextId = 1;
  /** Since when touches gather; null: there are none. */
  #gatheringSinceMs: number | null = null;
  #hurries = false;
  /** Requests refused because requestsWaitingMax was reached. */
  refused = 0;
  /** Calls that failed or got no answer in time. */
  failed = 0;

  constructor(limits: OutboxLimits) {
    this.#limits = limits;
  }

  /** False at the limit: nothing was queued and `onAnswer` will not be called. */
  ask<O extends Operation>(
    operation: O,
    build: Waiting<O>['build'],
    onAnswer: OnAnswer<O>,
  ): boolean {
    const waiting = this.#waiting.get(operation)!;
    if (waiting.length >= this.#limits.requestsWaitingMax) {
      this.refused++;
      return false;
    }
    waiting.push({ build, onAnswer } as unknown as Waiting<Operation>);
    return true;
  }

  /** Somebody waits for a touch: they leave with the next calls. */
  hurry(): void {
    this.#hurries = true;
  }

  /** Whether nothing waits and nothing is under way. */
  get idle(): boolean {
    return this.#inFlight.size === 0 && OPERATIONS.every((o) => this.#waiting.get(o)!.length === 0);
  }

  /** The calls that may leave now. */
  take(nowMs: number): StoreCall[] {
    const calls: StoreCall[] = [];
    for (const operation of OPERATIONS) {
      const waiting = this.#waiting.get(operation)!;
      if (operation === 'touch' && this.#isGathering(waiting.length, nowMs)) continue;
      let taken = 0;
      while (
        taken < waiting.length &&
        this.#callsInFlight.get(operation)! < this.#limits.callsInFlightMax
      ) {
        const end = Math.min(waiting.length, taken + this.#limits.requestsPerCallMax);
        const call = this.#build(operation, waiting.slice(taken, end), nowMs);
        taken = end;
        if (call !== null) calls.push(call);
      }
      if (taken === 0) continue;
      this.#waiting.set(operation, waiting.slice(taken));
      if (operation === 'touch') this.#gatherAnew();
    }
    return calls;
  }

  #gatherAnew(): void {
    this.#gatheringSinceMs = null;
    this.#hurries = false;
  }

  #isGathering(touches: number, nowMs: number): boolean {
    if (touches === 0) return false;
    this.#gatheringSinceMs ??= nowMs;
    const { requestsPerCallMax, touchGatherMs } = this.#limits;
    if (this.#hurries || touches >= requestsPerCallMax) return false;
    return nowMs - this.#gatheringSinceMs < touchGatherMs;
  }

  #build(operation: Operation, waiting: Waiting<Operation>[], nowMs: number): StoreCall | null {
    const requests: Operations[Operation]['request'][] = [];
    const answers: OnAnswer<Operation>[] = [];
    for (const { build, onAnswer } of waiting) {
      const request = build(nowMs);
      if (request === null) continue;
      requests.push(request);
      answers.push(onAnswer);
    }
    if (requests.length === 0) return null;
    const id = this.#nextId++;
    this.#inFlight.set(id, { operation, answers, sentMs: nowMs });
    this.#callsInFlight.set(operation, this.#callsInFlight.get(operation)! + 1);
    return { id, operation, requests };
  }

  /** Hands each result to whoever asked. A reply to a call given up meanwhile is ignored. */
  reply({ id, results }: StoreReply, nowMs: number): void {
    const call = this.#inFlight.get(id);
    if (call === undefined) return;
    this.#inFlight.delete(id);
    this.#callsInFlight.set(call.operation, this.#callsInFlight.get(call.operation)! - 1);
    if (results === null) this.failed++;
    for (let i = 0; i < call.answers.length; i++) {
      call.answers[i]!(results?.[i] ?? null, call.sentMs, nowMs);
    }
  }

  /** Gives up the calls that nobody answered: their askers learn that there is no answer. Says
   * whether there were any. */
  expire(nowMs: number): boolean {
    const before = this.failed;
    for (const [id, call] of this.#inFlight) {
      if (nowMs - call.sentMs < this.#limits.callLostMs) break;
      this.reply({ id, results: null }, nowMs);
    }
    return this.failed > before;
  }
}
