/**
 * Several clients at once on the same few keys, none waiting for another: what each was answered
 * must be what the model answers in some order of the calls (linearizable.ts). Identities old and
 * wrong are mixed in, and calls that were made before are sent again: a call that arrives twice, or
 * late, does what it would do then.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FlowStore } from '../contract.ts';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';
import {
  anyStep,
  type Call,
  callOf,
  HISTORY_CONFIG,
  Known,
  OPENING,
  perform,
  type Step,
} from './history-steps.ts';
import { linearize, newState, type Observed, Specification } from './linearizable.ts';
import { type RedisHarness, redisHarness } from './redis-harness.ts';
import { GATEWAY_1, SHARD, udp } from './scenario.ts';

const RUNS = 150;
const CLIENTS = 4;
/** After each round all wait for each other, and one looks at what there is: that tells the search
 * of an order that it took a wrong turn before it has gone on for long. */
const ROUNDS_MAX = 12;
const STEPS_MAX = 4;
/** In all runs. */
const CALLS_MIN = 5_000;

/** An earlier call, sent once more: which one, counted from the last. */
interface Again {
  readonly op: 'again';
  readonly back: number;
}

const isClock = ({ op }: Step) => op === 'advance';
const again = fc.nat({ max: 20 }).map((back): Again => ({ op: 'again', back }));
const ofClient = fc.oneof(
  { weight: 7, arbitrary: anyStep.filter((step) => !isClock(step)) },
  { weight: 1, arbitrary: again },
);
/** Time is moved by one alone: it is set, not added to. */
const ofClock = fc.constantFrom(1, 1_000, 60_000, 89_999, 125_000, 415_000).map((ms): Step => {
  return { op: 'advance', ms };
});
const steps = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: STEPS_MAX, size: 'max' });
const round = fc.tuple(
  ...Array.from({ length: CLIENTS }, () => steps<Step | Again>(ofClient)),
  fc.array(fc.oneof(ofClock, fc.constant<Step>({ op: 'sweep' })), { maxLength: 2 }),
);
const rounds = fc.array(round, { minLength: 1, maxLength: ROUNDS_MAX, size: 'max' });

const specification = new Specification(HISTORY_CONFIG);

/** Calls, each with its place among all instants at which one was made or answered. */
class Recorder {
  readonly history: Observed[] = [];
  readonly #known = new Known();
  readonly #calls: Call[] = [];
  readonly #advance: (ms: number) => Promise<void>;
  #instant = 0;

  constructor(advance: (ms: number) => Promise<void>) {
    this.#advance = advance;
  }

  async step(store: FlowStore, step: Step | Again): Promise<void> {
    const call = step.op === 'again' ? this.#calls.at(-1 - step.back) : callOf(step, this.#known);
    if (call === undefined || (step.op === 'again' && call.op === 'advance')) return;
    this.#calls.push(call);
    await this.call(store, call);
  }

  async call(store: FlowStore, call: Call): Promise<void> {
    const calledAt = this.#instant++;
    const answer = await perform(store, call, this.#advance);
    this.history.push({ call, answer, calledAt, answeredAt: this.#instant++ });
    this.#known.learn(call, answer);
  }
}

describe('interleaved histories', () => {
  let server: TestRedis;
  let redis: RedisHarness;
  let stores: FlowStore[];
  beforeAll(async () => {
    server = await startRedis();
    redis = await redisHarness(server.url, HISTORY_CONFIG, { shards: [SHARD] });
    stores = await Promise.all(Array.from({ length: CLIENTS + 1 }, () => redis.connect()));
  });
  afterAll(async () => {
    await Promise.all(stores.map((store) => store.end()));
    await redis.end();
    await server.stop();
  });

  it('have an order in which the model answers the same', async () => {
    let calls = 0;
    let overlaps = 0;
    await fc.assert(
      fc.asyncProperty(rounds, async (rounds) => {
        await redis.reset();
        const start = newState(redis.nowMs());
        const recorder = new Recorder(redis.advance);
        for (const step of OPENING) await recorder.step(redis.store, step);
        for (const clients of rounds) {
          await Promise.all(
            clients.map(async (steps, client) => {
              for (const step of steps) await recorder.step(stores[client]!, step);
            }),
          );
          await recorder.call(redis.store, { op: 'look' });
        }
        await redis.check();
        const { history } = recorder;
        const { order, longest, stuckAt } = linearize(specification, start, history);
        expect(order === null ? { longest, stuckAt } : 'linearizable').toBe('linearizable');
        calls += history.length;
        overlaps += history.filter(({ calledAt, answeredAt }) => answeredAt > calledAt + 1).length;
      }),
      { numRuns: RUNS },
    );
    expect(calls).toBeGreaterThan(CALLS_MIN);
    // Else nothing was interleaved, and any checker would be content.
    expect(overlaps).toBeGreaterThan(calls / 2);
  }, 120_000);
});

describe('the check itself', () => {
  const open = (n: number, nonce: number): Call => ({
    op: 'open',
    request: {
      inside: udp(n),
      remote: null,
      proposal: null,
      incarnation: GATEWAY_1,
      nonce,
      seen: { flags: 0, ageMs: 0, rstAgeMs: null },
      replaces: null,
    },
  });

  it('finds an order other than that of the answers, and none where there is none', () => {
    const start = newState(1_000_000);
    const known = new Known();
    const [lease] = OPENING.filter((step) => step.op === 'lease' && step.protocol === 17);
    const leased = specification.apply(start, callOf(lease!, known));
    const proposal = callOf(
      {
        op: 'open',
        inside: 0,
        remote: 0,
        port: 0,
        foreign: false,
        nonce: 1,
        seen: { flags: 0, ageMs: 0, rstAgeMs: null },
        replaces: null,
      },
      known,
    );
    const bound = specification.apply(leased.state, proposal);
    expect(bound.answer?.kind).toBe('created');
    const refused = specification.apply(leased.state, open(0, 2));
    expect(refused.answer?.kind).toBe('noBinding');
    const created = { call: proposal, answer: bound.answer };
    const unbound = { call: open(0, 2), answer: refused.answer };
    // It was answered later, and must have come first.
    const overlapping = [
      { ...created, calledAt: 0, answeredAt: 2 },
      { ...unbound, calledAt: 1, answeredAt: 3 },
    ];
    const { order } = linearize(specification, leased.state, overlapping);
    expect(order?.map(({ call }) => call)).toEqual([unbound.call, created.call]);
    const apart = [
      { ...created, calledAt: 0, answeredAt: 1 },
      { ...unbound, calledAt: 2, answeredAt: 3 },
    ];
    expect(linearize(specification, leased.state, apart)).toMatchObject({
      order: null,
      longest: [{ call: created.call }],
      stuckAt: [{ call: unbound.call }],
    });
  });
});
