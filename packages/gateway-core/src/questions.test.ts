/** One question per key, asked so often and no oftener, and before anything new is opened. */
import { TCP, UDP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import { expect, test } from 'vitest';
import { Side } from './frame.ts';
import { INSIDE, REMOTE, World } from './testing/world.ts';

const ack: PacketSpec = {
  protocol: TCP,
  from: INSIDE,
  fromPort: 5_000,
  to: REMOTE,
  toPort: 80,
  tcpFlags: 16,
};

/** How many requests of an operation left. */
function asked(world: World, operation: string): number {
  const calls = world.calls.filter((call) => call.operation === operation);
  return calls.reduce((sum, { requests }) => sum + requests.length, 0);
}

test('concurrent misses of a flow share one question, however many they are', async () => {
  const world = new World();
  for (let i = 0; i < 10; i++) world.inject(0, Side.Inside, ack);
  await world.settle();
  expect(asked(world, 'find')).toBe(1);
  for (let i = 0; i < 10; i++) {
    world.inject(0, Side.Inside, { ...ack, protocol: UDP, toPort: 1_000 + i });
  }
  await world.settle();
  expect(asked(world, 'open')).toBe(1);
  expect(world.sent.filter(({ side }) => side === Side.Outside)).toHaveLength(10);
});

test('a remembered "no" only limits how often the store is asked: once per 50 ms', async () => {
  const world = new World();
  for (let ms = 0; ms < 500; ms += 5) {
    world.inject(0, Side.Inside, ack);
    await world.advance(5);
  }
  expect(asked(world, 'find')).toBeGreaterThanOrEqual(9);
  expect(asked(world, 'find')).toBeLessThanOrEqual(11);
  // Each of them is answered by RST, after a "no" that was asked for it, but for the last few.
  expect(world.gateways[0]!.counters.resetsSent).toBeGreaterThan(85);
});

test('misses leave before openings that were asked for earlier', async () => {
  const world = new World();
  await world.send(0, Side.Inside, { ...ack, tcpFlags: 2, fromPort: 4_000 });
  for (let port = 6_000; port < 6_004; port++) {
    world.inject(0, Side.Inside, { ...ack, tcpFlags: 2, fromPort: port });
  }
  world.inject(0, Side.Inside, ack);
  const left = world.gateways[0]!.takeCalls(world.nowMs).map(({ operation }) => operation);
  const firstOpening = left.findIndex((one) => one === 'lease' || one === 'open');
  expect(left.indexOf('find')).toBeGreaterThanOrEqual(0);
  expect(left.indexOf('find')).toBeLessThan(firstOpening);
});
