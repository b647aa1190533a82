import { envNames } from '@flowstore/service';
import { expect, test } from 'vitest';
import { reaperSchema } from './config.ts';

const GOOD = {
  redis: { url: 'redis://127.0.0.1:6379' },
  cluster: { pool: ['203.0.113.0/28'], insidePrefixes: ['198.18.0.0/16'] },
};

test('a store and a cluster are enough', () => {
  const config = reaperSchema.parse(GOOD);
  expect(config.http).toEqual({ host: '127.0.0.1', port: 9465 });
  expect(config.sweep).toEqual({
    everyMs: 4_000,
    sets: 64,
    holdMsMax: 0.5,
    looksMax: 256,
    callsMax: 1_024,
    concurrency: 1,
  });
  expect(config.board).toEqual({ user: 'reaper', readOnly: true });
});

test.each([
  { sweep: { sets: 65 } },
  { sweep: { sets: 0 } },
  { sweep: { everyMs: 0 } },
  { sweep: { concurrency: 1.5 } },
  { queueUrl: 'http://127.0.0.1' },
  { board: { password: 'short' } },
  { audit: { keysMax: 0 } },
  { shards: 64 },
])('refused: %j', (change) => {
  expect(reaperSchema.safeParse({ ...GOOD, ...change }).success).toBe(false);
});

test('every setting has a variable of its own', () => {
  const names = [...envNames(reaperSchema, 'FLOWSTORE_').keys()];
  expect(names).toContain('FLOWSTORE_QUEUE_URL');
  expect(names).toContain('FLOWSTORE_SWEEP_LOOKS_MAX');
  expect(names).toContain('FLOWSTORE_CLUSTER_POOL');
});
