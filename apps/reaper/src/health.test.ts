import { expect, test } from 'vitest';
import { Health } from './health.ts';

test('ready while the store answers and the queue is connected', () => {
  let status = 'ready';
  const health = new Health(() => status);
  expect(health.reasons()).toEqual(['cluster: the configuration was not compared yet']);
  health.configCompared('records are in layout 9');
  expect(health.reasons()).toEqual(['cluster: records are in layout 9']);
  health.configCompared(null);
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
