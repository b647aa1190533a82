import {
  CLUSTER_DEFAULTS,
  type ClusterConfig,
  canonicalConfig,
  RECORD_LAYOUT,
  silenceMs,
} from '@flowstore/flow';
import type { FlowStore } from '@flowstore/flow-store';
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
  return { membership, log, store, storeOf, next: storeOf(NEXT) };
}

async function stanceOf(store: FlowStore) {
  const state = await store.deployment();
  return state.kind === 'running' ? state.members[0] : state;
}

const beat = () => vi.advanceTimersByTimeAsync(CONFIG.heartbeatMs);

test('what is published is gone by beside what holds, and alone once all do', async () => {
  const { membership, store, next } = await begin();
  const told: number[] = [];
  membership.onGoBy = async ({ config }) => {
    told.push(config.ttlMarginMs);
  };
  expect(await next.publish()).toEqual({ kind: 'published' });
  await beat();
  expect(membership.configState).toEqual({ version: 1, nextVersion: 2, refused: false });
  expect(store.config.ttlMarginMs).toBe(CONFIG.ttlMarginMs);
  await beat();
  expect(await stanceOf(next)).toMatchObject({ stance: 'goesByBoth' });
  await vi.advanceTimersByTimeAsync(silenceMs(CONFIG));
  expect(membership.configState).toEqual({ version: 2, nextVersion: 0, refused: false });
  expect(store.config).toEqual(NEXT);
  expect(told).toEqual([CONFIG.ttlMarginMs, NEXT.ttlMarginMs]);
  await membership.leave();
});

test('it is not said to be gone by before all flows are', async () => {
  const { membership, next } = await begin();
  const { promise, resolve } = Promise.withResolvers<void>();
  membership.onGoBy = () => promise;
  await next.publish();
  await vi.advanceTimersByTimeAsync(2 * silenceMs(CONFIG));
  expect(await stanceOf(next)).toMatchObject({ stance: 'silent' });
  expect(membership.configState.version).toBe(1);
  resolve();
  await beat();
  await beat();
  expect(membership.configState.version).toBe(2);
  await membership.leave();
});

test('what can’t be gone by is refused: log, metric and publisher say why', async () => {
  const { membership, store, log, storeOf } = await begin();
  const later = storeOf({ ...NEXT, novelty: 1 } as ClusterConfig);
  // A publisher of a later release, that knows more settings.
  store.data.directory.next = { what: canonicalConfig(later.config), sinceMs: 0 };
  await beat();
  await beat();
  const problems = [expect.stringContaining('novelty: found a setting that does not exist')];
  expect(log.error).toHaveBeenCalledOnce();
  expect(log.error).toHaveBeenCalledWith({ version: 1, problems }, expect.any(String));
  expect(membership.configState).toEqual({ version: 1, nextVersion: 0, refused: true });
  expect(await stanceOf(later)).toEqual({ name: 'gw1', stance: 'refuses', problems });
  expect(membership.joined).toBe(true);
  await membership.leave();
});

test('who was taken for dead while another one began to hold goes along', async () => {
  const { membership, store, next } = await begin();
  await next.publish();
  store.data.directory.members.clear();
  await vi.advanceTimersByTimeAsync(silenceMs(CONFIG));
  store.data.directory.members.clear();
  await next.deployment();
  await beat();
  expect(membership.joined).toBe(true);
  expect(store.config).toEqual(NEXT);
  await membership.leave();
});

test('what was next is so again where a gateway writes the configuration back', async () => {
  const { membership, store, next } = await begin();
  await next.publish();
  await beat();
  await beat();
  Object.assign(store.data.directory, { configText: null, next: null });
  store.data.directory.members.clear();
  await beat();
  expect(membership.configState).toEqual({ version: 1, nextVersion: 2, refused: false });
  expect(await stanceOf(next)).toMatchObject({ stance: 'silent' });
  await vi.advanceTimersByTimeAsync(2 * silenceMs(CONFIG));
  expect(membership.configState).toEqual({ version: 2, nextVersion: 0, refused: false });
  await membership.leave();
});

test('another layout of records is written once every member reads it', async () => {
  const { membership, store, log } = await begin();
  const goBy = vi.spyOn(store, 'goBy');
  store.data.directory.layout = RECORD_LAYOUT - 1;
  await vi.advanceTimersByTimeAsync(CONFIG.heartbeatMs + silenceMs(CONFIG));
  expect(goBy.mock.calls.map(([, , layout]) => layout)).toEqual([RECORD_LAYOUT - 1, RECORD_LAYOUT]);
  expect(log.info).toHaveBeenCalledWith({ layout: RECORD_LAYOUT }, expect.any(String));
  await membership.leave();
});
