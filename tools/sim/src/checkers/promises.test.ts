import { CLUSTER_DEFAULTS, type ClusterConfig } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { Timeline } from '../timeline.ts';
import { Life } from '../world/life.ts';
import { Promises } from './promises.ts';

const CONFIG: ClusterConfig = { ...CLUSTER_DEFAULTS, pool: [], insidePrefixes: [] };

function withUdp(udpMs: number): string {
  return JSON.stringify({ ...CONFIG, timeouts: { ...CONFIG.timeouts, udpMs } });
}

function setUp() {
  const timeline = new Timeline();
  const well = new Life(0, 1, '0', 0);
  const away = new Life(1, 1, '1', 0);
  away.beginTrouble(0);
  timeline.runUntil(1_000);
  const promises = new Promises(CONFIG, timeline, [well, away]);
  promises.look(withUdp(300_000));
  return { timeline, promises, well, away };
}

test('a shorter timeout is what is promised at once, a longer one when nobody is behind', () => {
  const { timeline, promises } = setUp();
  promises.look(withUdp(150_000));
  expect(promises.config.timeouts.udpMs).toBe(150_000);
  promises.look(withUdp(600_000));
  expect(promises.config.timeouts.udpMs).toBe(150_000);
  timeline.runUntil(10 * CONFIG.quarantineMs);
  expect(promises.config.timeouts.udpMs).toBe(600_000);
});

test('a store that lost everything promises what it did', () => {
  const { promises } = setUp();
  promises.look(withUdp(150_000));
  promises.look(null);
  expect(promises.config.timeouts.udpMs).toBe(150_000);
});

test('who was away when it began to hold is behind until it hears of it', () => {
  const { promises, well, away } = setUp();
  expect(away.isBehind(1_000)).toBe(false);
  promises.look(withUdp(150_000));
  expect([well.isBehind(1_000), away.isBehind(1e9)]).toEqual([false, true]);
  away.catchUp(1_000_000);
  expect(away.isBehind(1_001_000)).toBe(true);
  expect(away.isBehind(1_100_000)).toBe(false);
});
