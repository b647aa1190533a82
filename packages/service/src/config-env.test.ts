import { expect, test } from 'vitest';
import { z } from 'zod';
import { envName, envNames } from './config-env.ts';

test('a variable is the prefix and the path in UPPER_SNAKE', () => {
  expect(envName(['redis', 'url'], 'FLOWSTORE_')).toBe('FLOWSTORE_REDIS_URL');
  expect(envName(['cluster', 'timeouts', 'tcpEstablishedMs'], 'FLOWSTORE_')).toBe(
    'FLOWSTORE_CLUSTER_TIMEOUTS_TCP_ESTABLISHED_MS',
  );
});

test('every setting of a schema has one, through defaults and unions', () => {
  const schema = z.strictObject({
    a: z.strictObject({ b: z.int().default(1) }).prefault({}),
    devices: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('tun'), name: z.string() }),
      z.strictObject({ kind: z.literal('packet'), inside: z.string() }),
    ]),
  });
  expect([...envNames(schema, 'X_')]).toEqual([
    ['X_A_B', ['a', 'b']],
    ['X_DEVICES_KIND', ['devices', 'kind']],
    ['X_DEVICES_NAME', ['devices', 'name']],
    ['X_DEVICES_INSIDE', ['devices', 'inside']],
  ]);
});

test('a schema that gives two settings one name is refused', () => {
  const schema = z.strictObject({
    redisUrl: z.string(),
    redis: z.strictObject({ url: z.string() }),
  });
  expect(() => envNames(schema, 'X_')).toThrow('redis.url and redisUrl would both be X_REDIS_URL');
});
