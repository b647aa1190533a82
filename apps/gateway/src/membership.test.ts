import { CLUSTER_DEFAULTS, type ClusterConfig } from '@flowstore/flow';
import { ModelData, ModelFlowStore } from '@flowstore/flow-store/testing';
import type { Logger } from '@flowstore/service';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Membership } from './membership.ts';

const CONFIG: ClusterConfig = {
  ...CLUSTER_DEFAULTS,
  pool: ['203.0.113.0/28'],
  insidePrefixes: ['198.18.0.0/16'],
};
const MEMBER = {
  name: 'gw1',
  incarnation: '00000000000000a1',
  controlUrl: 'http://192.0.2.101:9464',
  peerAddress: null,
};
const NEXT = { ...CONFIG, version: 2, ttlMarginMs: 500_000 };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function begin() {
  const data = new ModelData();
  const storeOf = (config: ClusterConfig) =>
    new ModelFlowStore({ config, nowMs: () => Math.floor(performance.now()), data });
  const store = storeOf(CONFIG);
  await store.initialise('new');
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const membership = new Membership(store, MEMBER, log as unknown as Logger);
  await membership.join();
  return { membership, log, next: storeOf(NEXT) };
}

const beat = () => vi.advanceTimersByTimeAsync(CONFIG.heartbeatMs);

test('a member goes on when another version is published, and says once what differs', async () => {
  const { membership, log, next } = await begin();
  await beat();
  expect(log.warn).not.toHaveBeenCalled();
  await next.publish();
  await beat();
  await beat();
  expect(membership.joined).toBe(true);
  expect(log.warn).toHaveBeenCalledOnce();
  const told = { version: 1, fields: ['ttlMarginMs', 'version'] };
  expect(log.warn).toHaveBeenCalledWith(told, expect.stringContaining('restart with it'));
  await membership.leave();
});
