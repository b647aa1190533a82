/**
 * Whether there is an order of concurrent calls in which the model gives each the answer that it
 * got, and in which no call comes before one that was answered before it was made (linearizability;
 * Wing and Gong's search, with the model as its sequential specification).
 *
 * ```
 * client 1   |--open--|        |--close--|       one order: find, open, sweep, close
 * client 2      |--find--|  |----sweep----|      by the model it gives the same answers
 * ```
 */
import { isDeepStrictEqual } from 'node:util';
import type { ClusterConfig } from '@flowstore/flow';
import { ModelData, ModelServer } from '../model/model-server.ts';
import { ModelShard } from '../model/model-shard.ts';
import { type Answer, type Call, LOOK, LOOKS_MAX, lookedOf, sweptOf } from './history-steps.ts';
import { SHARD } from './scenario.ts';

export interface Observed {
  readonly call: Call;
  readonly answer: Answer;
  /** Of one counter: when it was made, and when it was answered. */
  readonly calledAt: number;
  readonly answeredAt: number;
}

/** The shard between two calls. */
export interface State {
  readonly shard: ModelShard;
  readonly nowMs: number;
}

export interface Verdict {
  readonly order: readonly Observed[] | null;
  /** The longest order that was found where there is none, and what could come next in it. */
  readonly longest: readonly Observed[];
  readonly stuckAt: readonly Observed[];
}

/** More than a search with answers that tell the order needs by far. */
const TRIES_MAX = 50_000;

/** The model, put into whatever state is asked about: a server for each would cost the most. */
export class Specification {
  readonly #server: ModelServer;
  readonly #shards: ModelShard[];
  #nowMs = 0;

  constructor(config: ClusterConfig) {
    const data = new ModelData();
    this.#shards = [...data.shards];
    this.#server = new ModelServer({
      config,
      nowMs: () => this.#nowMs,
      data: Object.assign(data, { shards: this.#shards }),
    });
  }

  /** The model's answer to a call, and the state after it; the one before is left as it is. */
  apply({ shard, nowMs }: State, call: Call): { answer: Answer; state: State } {
    if (call.op === 'advance') return { answer: null, state: { shard, nowMs: nowMs + call.ms } };
    const after = new ModelShard();
    after.copyFrom(shard);
    this.#shards[SHARD] = after;
    this.#nowMs = nowMs;
    return { answer: answerOf(this.#server, call), state: { shard: after, nowMs } };
  }
}

export function newState(nowMs: number): State {
  return { shard: new ModelShard(), nowMs };
}

/** Throws an Error where the search takes too long to tell. */
export function linearize(
  specification: Specification,
  from: State,
  history: readonly Observed[],
): Verdict {
  const byAnswer = history.toSorted((a, b) => a.answeredAt - b.answeredAt);
  let longest: readonly Observed[] = [];
  let stuckAt: readonly Observed[] = [];
  let tries = 0;
  const order: Observed[] = [];
  /** From where there is no way to the end: what is left, and the state. */
  const deadEnds = new Set<string>();
  const search = (state: State, left: readonly Observed[]): boolean => {
    if (left.length === 0) return true;
    const place = `${left.map(({ calledAt }) => calledAt).join()} ${fingerprint(state)}`;
    if (deadEnds.has(place)) return false;
    // Whoever was answered first bounds who may have come before.
    const candidates = left.filter(({ calledAt }) => calledAt < left[0]!.answeredAt);
    for (const next of candidates) {
      tries += 1;
      if (tries > TRIES_MAX) throw new Error(`no order was found in ${TRIES_MAX} tries`);
      const { answer, state: after } = specification.apply(state, next.call);
      if (!isDeepStrictEqual(answer, next.answer)) continue;
      order.push(next);
      const rest = left.filter((one) => one !== next);
      if (search(after, rest)) return true;
      order.pop();
    }
    deadEnds.add(place);
    if (order.length >= longest.length) [longest, stuckAt] = [[...order], candidates];
    return false;
  };
  return { order: search(from, byAnswer) ? order : null, longest, stuckAt };
}

/** Equal for states that answer the same from now on, as far as calls of histories go. */
function fingerprint({ shard, nowMs }: State): string {
  const sorted = <T>(map: ReadonlyMap<string | number, T>) =>
    [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const entries = sorted(shard.entries).map(([key, { binding, flows }]) => {
    return [key, binding, sorted(flows)];
  });
  const blocks = sorted(shard.ports.blocks).map(([key, { rows, lease, goOn }]) => {
    return [key, lease, goOn, sorted(rows)];
  });
  return JSON.stringify([nowMs, shard.lastGeneration, entries, blocks]);
}

function answerOf(server: ModelServer, call: Exclude<Call, { op: 'advance' }>): Answer {
  switch (call.op) {
    case 'sweep':
      return sweptOf(server.sweep(SHARD, LOOKS_MAX));
    case 'look':
      return lookedOf(server.find(LOOK));
    case 'open':
      return server.open([call.request])[0]!;
    case 'find':
      return server.find([call.request])[0]!;
    case 'touch':
      return server.touch([call.request])[0]!;
    case 'close':
      return server.close([call.request])[0]!;
    case 'lease':
      return server.lease([call.request])[0]!;
    case 'renew':
      return server.renew([call.request])[0]!;
    case 'release':
      return server.release([call.request])[0]!;
  }
}
