/**
 * Random histories on the model and on Redis side by side: every answer must be the same, to the
 * generation and to the ms, since both run on the same virtual time. A small world, so that
 * requests meet: few endpoints, few ports, two gateways, identities old and new.
 */
import {
  ANY_PORT,
  BLOCK_PORTS,
  blockOfShard,
  type Endpoint,
  firstPortOfBlock,
  hasFlowPerRemote,
  type Identity,
  type SocketAddress,
} from '@flowstore/flow';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenRequest, OpenResult, Sighting } from '../contract.ts';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';
import { CONFORMANCE_CONFIG, type Harness } from './harness.ts';
import { modelHarness } from './model-harness.ts';
import { type RedisHarness, redisHarness } from './redis-harness.ts';
import { GATEWAY_1, GATEWAY_2, OTHER_WEB, POOL, SHARD, tcp, udp, WEB } from './scenario.ts';

const RUNS = 300;
const STEPS_MAX = 60;
/** Steps between two looks at all that is stored, which are dear. */
const CHECK_EVERY = 5;
const config = { ...CONFORMANCE_CONFIG, flowsPerEndpointMax: 2 };
const INSIDES: Endpoint[] = [udp(0), udp(1), tcp(0), tcp(0), tcp(1)];
const REMOTES: SocketAddress[] = [WEB, OTHER_WEB, { ...WEB, port: 8080 }];
const INCARNATIONS = [GATEWAY_1, GATEWAY_2];

/** The shard's first blocks of the outside address: few enough to be fought for. */
function blockAt(protocol: number, number: number): number {
  return blockOfShard(SHARD, protocol, POOL, number);
}

type Step =
  | {
      op: 'open';
      inside: number;
      remote: number;
      /** 4: any. */
      port: number | null;
      foreign: boolean;
      nonce: number;
      seen: Sighting;
      replaces: number | null;
    }
  | { op: 'find'; inside: number; remote: number | null; port: number | null }
  | { op: 'touch'; flow: number; identity: number | null; seen: Sighting }
  | { op: 'close'; flow: number; identity: number | null; idle: boolean }
  | { op: 'sweep' }
  | { op: 'lease'; protocol: number; gateway: number; blocks: number; start: number }
  | { op: 'renew' | 'release'; block: number; foreign: boolean; protocol: number }
  | { op: 'advance'; ms: number };

/** Every history begins with both gateways holding a block of each protocol. */
const OPENING: Step[] = [0, 1].flatMap((gateway) =>
  [6, 17].map((protocol) => ({ op: 'lease', protocol, gateway, blocks: 1, start: 0 }) as const),
);

const index = (count: number) => fc.nat({ max: count - 1 });
const seldom = fc.nat({ max: 7 }).map((n) => n === 0);
const seen = fc.record({
  flags: fc.nat({ max: 63 }),
  ageMs: fc.constantFrom(null, 0, 0, 1, 1_000, 100_000),
  rstAgeMs: fc.option(fc.constantFrom(0, 5, 900), { freq: 4 }),
});
const inside = index(INSIDES.length);
const remote = fc.option(index(REMOTES.length), { freq: 5 });
const port = fc.option(index(4), { freq: 5 });
const flow = fc.nat({ max: 5 });
/** Mostly the flow's own: null. */
const identity = fc.option(fc.nat({ max: 7 }), { freq: 1 }).map((n) => (n === 7 ? null : n));
const protocol = fc.constantFrom(6, 17);
const start = fc.constantFrom(0, 0, 1, 62);
const blocks = fc.integer({ min: 1, max: 2 });
const ms = fc.constantFrom(1, 1_000, 30_000, 60_000, 60_000, 89_999, 125_000, 415_000, 495_000);

function stepOf<Op extends Step['op'], Fields extends object>(
  weight: number,
  op: Op,
  fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> },
) {
  return { weight, arbitrary: fc.record({ op: fc.constant(op), ...fields }) };
}

const step = fc.oneof(
  stepOf(8, 'open', {
    inside,
    remote: index(REMOTES.length),
    port: fc.option(index(5), { freq: 5 }),
    foreign: seldom,
    nonce: fc.integer({ min: 1, max: 3 }),
    seen,
    replaces: fc.option(fc.nat({ max: 3 }), { freq: 2 }),
  }),
  stepOf(3, 'find', { inside, remote, port }),
  stepOf(6, 'touch', { flow, identity, seen }),
  stepOf(5, 'close', { flow, identity, idle: fc.boolean() }),
  stepOf(2, 'sweep', {}),
  stepOf(3, 'lease', { protocol, gateway: index(2), blocks, start }),
  stepOf(5, 'renew', { block: index(2), foreign: seldom, protocol }),
  stepOf(1, 'release', { block: index(2), foreign: seldom, protocol }),
  stepOf(3, 'advance', { ms }),
) as fc.Arbitrary<Step>;

/** The first and the last port of the first block, and of the second. */
function portOf(protocol: number, port: number): SocketAddress {
  const first = firstPortOfBlock(blockAt(protocol, port >> 1));
  return { address: POOL, port: first + (port & 1) * (BLOCK_PORTS - 1) };
}

interface KnownFlow {
  readonly inside: Endpoint;
  readonly remote: SocketAddress | null;
  readonly identity: Identity;
}

/** What openings answered, the last in front, so that steps can name flows by number. */
class Known {
  readonly #flows: KnownFlow[] = [];

  learn({ inside, remote }: OpenRequest, result: OpenResult): void {
    if (result.kind !== 'created' && result.kind !== 'exists') return;
    const { binding, flow } = result.entry;
    this.#flows.unshift({ inside, remote: null, identity: binding.identity });
    if (flow !== null) this.#flows.unshift({ inside, remote, identity: flow.identity });
  }

  flow(number: number): KnownFlow {
    const none = { inside: INSIDES[0]!, remote: null, identity: { generation: 1, nonce: 1 } };
    return this.#flows[number] ?? none;
  }

  /** The flow's own identity, or for null another's. */
  request({ flow, identity }: { flow: number; identity: number | null }): KnownFlow {
    const known = this.flow(flow);
    return identity === null ? known : { ...known, identity: this.flow(identity).identity };
  }
}

async function run(
  { store, advance }: Harness,
  step: Step,
  known: Known,
): Promise<readonly ({ kind?: string } | null)[]> {
  switch (step.op) {
    case 'advance':
      await advance(step.ms);
      return [];
    case 'sweep': {
      // How much an index knows ahead is the store's own affair; what it deletes is not.
      const {
        looks: _l,
        blocks: _b,
        overdueMs: _o,
        nextDueMs: _n,
        inGrace: _g,
        recounts: _r,
        heldMs: _h,
        ...counts
      } = await store.sweep(SHARD, 999);
      return [{ kind: 'done', ...counts }];
    }
    case 'open':
      return store.open([openRequest(step, known)]);
    case 'find': {
      const at = INSIDES[step.inside]!;
      const peer = step.remote === null ? null : REMOTES[step.remote]!;
      if (step.port === null)
        return store.find([{ direction: 'inside', inside: at, remote: peer }]);
      const outside = portOf(at.protocol, step.port);
      return store.find([{ direction: 'outside', protocol: at.protocol, outside, remote: peer }]);
    }
    case 'touch': {
      const { inside, remote, identity } = known.request(step);
      const peer = hasFlowPerRemote(config.filtering, inside.protocol) ? (remote ?? WEB) : null;
      return store.touch([{ inside, remote: peer, identity, seen: step.seen }]);
    }
    case 'close':
      return store.close([{ ...known.request(step), reason: step.idle ? 'idle' : 'cancel' }]);
    case 'lease': {
      const incarnation = INCARNATIONS[step.gateway]!;
      return store.lease([{ ...step, shard: SHARD, address: POOL, incarnation }]);
    }
    default: {
      const { protocol, block, foreign } = step;
      const incarnation = holderOf(block, foreign);
      const ref = { protocol, address: POOL, block: blockAt(protocol, block), incarnation };
      return step.op === 'renew' ? store.renew([ref]) : store.release([ref]);
    }
  }
}

function openRequest(step: Step & { op: 'open' }, known: Known): OpenRequest {
  const at = INSIDES[step.inside]!;
  return {
    inside: at,
    remote: hasFlowPerRemote(config.filtering, at.protocol) ? REMOTES[step.remote]! : null,
    proposal: step.port === null ? null : proposalOf(at.protocol, step.port),
    incarnation: holderOf(((step.port ?? 0) >> 1) & 1, step.foreign),
    nonce: step.nonce,
    seen: step.seen,
    replaces: step.replaces === null ? null : known.flow(step.replaces).identity,
  };
}

function proposalOf(protocol: number, port: number): SocketAddress {
  return port === 4 ? { address: POOL, port: ANY_PORT } : portOf(protocol, port);
}

/** Mostly the gateway that leased the block when the history began. */
function holderOf(block: number, foreign: boolean): string {
  return INCARNATIONS[foreign ? 1 - block : block]!;
}

describe('histories', () => {
  let server: TestRedis;
  let redis: RedisHarness;
  beforeAll(async () => {
    server = await startRedis();
    redis = await redisHarness(server.url, config, { shards: [SHARD] });
  });
  afterAll(async () => {
    await redis.end();
    await server.stop();
  });

  it('give the same answers on the model and on Redis', async () => {
    const kinds = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: STEPS_MAX, size: 'max' }), async (steps) => {
        await redis.reset();
        const model = modelHarness(config, redis.nowMs());
        const known = new Known();
        for (const [number, step] of [...OPENING, ...steps].entries()) {
          const expected = await run(model, step, known);
          const answered = await run(redis, step, known);
          expect(answered).toEqual(expected);
          const kind = `${step.op} ${expected[0]?.kind ?? ''}`.trim();
          kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
          if (step.op === 'open') {
            known.learn(openRequest(step, known), expected[0] as OpenResult);
          }
          if (number % CHECK_EVERY === 0) await redis.check();
        }
        await redis.check();
      }),
      { numRuns: RUNS },
    );
    // The histories are worth something only if they reach every outcome.
    expect([...kinds.keys()].sort()).toEqual(EVERY_OUTCOME);
  }, 120_000);
});

const EVERY_OUTCOME = [
  'advance',
  'close alive',
  'close closed',
  'close gone',
  'close stale',
  'find entry',
  'find no',
  'lease granted',
  'open created',
  'open exists',
  'open leaseLost',
  'open limit',
  'open noBinding',
  'open portTaken',
  'release leaseLost',
  'release released',
  'renew leaseLost',
  'renew renewed',
  'sweep done',
  'touch gone',
  'touch merged',
  'touch stale',
];
