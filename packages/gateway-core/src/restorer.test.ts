import { NONE } from '@flowstore/flow-table';
import { expect, test } from 'vitest';
import { GatewayCounters } from './counters.ts';
import type { FlowCache } from './flow-cache.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { Restorer } from './restorer.ts';
import { StoreOutbox } from './store-outbox.ts';

test('whoever waits hears of a flow that goes before its assertion leaves', () => {
  const outbox = new StoreOutbox(DEFAULT_LIMITS);
  // All that it takes: no cache loses a flow just between these two calls when asked to.
  const cache = { table: { handleOf: () => 7 }, storedSlotOf: () => NONE } as unknown as FlowCache;
  const heard: string[] = [];
  new Restorer(cache, outbox, new GatewayCounters()).restore(0, 1_000, (outcome) =>
    heard.push(outcome),
  );
  expect(heard).toEqual([]);
  expect(outbox.take(1_005)).toEqual([]);
  expect(heard).toEqual(['lost']);
});
