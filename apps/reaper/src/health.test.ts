import { expect, test } from 'vitest';
import { Health } from './health.ts';

test('ready while the store answers and the queue is connected', () => {
  let status = 'ready';
  const health = new Health(() => status);
  expect(health.reasons()).toEqual(['cluster: the configuration was not compared yet']);
  health.configCompared({ kind: 'notInitialised' });
  expect(health.reasons()).toEqual(['cluster: the deployment is not initialised (gateway --init)']);
  health.configCompared({ kind: 'configMismatch', fields: ['pool', 'timeouts.udpMs'] });
  expect(health.reasons()).toEqual([
    "cluster: differs from the deployment's in pool, timeouts.udpMs",
  ]);
  health.configCompared({ kind: 'match' });
  expect(health.reasons()).toEqual([]);
  health.storeFailed('no answer within 1000 ms');
  status = 'reconnecting';
  expect(health.reasons()).toEqual([
    'flow store: no answer within 1000 ms',
    'queue: the connection is reconnecting',
  ]);
  health.storeAnswered();
  status = 'ready';
  expect(health.reasons()).toEqual([]);
});
