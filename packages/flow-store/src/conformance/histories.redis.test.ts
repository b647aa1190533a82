/**
 * Random histories on the model and on Redis side by side: every answer must be the same, to the
 * generation and to the ms, since both run on the same virtual time.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';
import { anyStep, callOf, HISTORY_CONFIG, Known, OPENING, perform } from './history-steps.ts';
import { modelHarness } from './model-harness.ts';
import { type RedisHarness, redisHarness } from './redis-harness.ts';
import { SHARD } from './scenario.ts';

const RUNS = 300;
const STEPS_MAX = 60;
/** Steps between two looks at all that is stored, which are dear. */
const CHECK_EVERY = 5;

describe('histories', () => {
  let server: TestRedis;
  let redis: RedisHarness;
  beforeAll(async () => {
    server = await startRedis();
    redis = await redisHarness(server.url, HISTORY_CONFIG, { shards: [SHARD] });
  });
  afterAll(async () => {
    await redis.end();
    await server.stop();
  });

  it('give the same answers on the model and on Redis', async () => {
    const kinds = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: STEPS_MAX, size: 'max' }), async (steps) => {
        await redis.reset();
        const model = modelHarness(HISTORY_CONFIG, redis.nowMs());
        const known = new Known();
        for (const [number, step] of [...OPENING, ...steps].entries()) {
          const call = callOf(step, known);
          const expected = await perform(model.store, call, model.advance);
          const answered = await perform(redis.store, call, redis.advance);
          expect(answered).toEqual(expected);
          const kind = `${step.op} ${expected?.kind ?? ''}`.trim();
          kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
          known.learn(call, expected);
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
