/** The gateway whose touch was the last one merged asks before a flow ends; the others forget. */
import { TCP, UDP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import { expect, test } from 'vitest';
import { Side } from './frame.ts';
import { ACK, back, segment, tcpOut } from './testing/traffic.ts';
import { INSIDE, REMOTE, TEST_CONFIG, World } from './testing/world.ts';

const UDP_LIFE_MS = 495_000;
const out: PacketSpec = { protocol: UDP, from: INSIDE, fromPort: 5_000, to: REMOTE, toPort: 53 };

/** The questions whether a flow may end, asked so far, by gateway. */
function closesOf(world: World): number[] {
  return world.gateways.map((gateway) => gateway.counters.closesAsked);
}

/** A flow that three gateways saw: the first at 0, the second at 150 s, the third at 300 s. */
async function seenByThree(): Promise<World> {
  const world = new World({ gateways: 3 });
  for (const gateway of [0, 1, 2]) {
    expect(await world.send(gateway, Side.Inside, out)).toHaveLength(1);
    await world.advance(150_000, 5_000);
  }
  return world;
}

test('of three gateways that saw a flow exactly one asks the store at its end', async () => {
  const world = await seenByThree();
  // The first two find out, at what they took for the end, that others saw it later.
  await world.advance(300_000 + UDP_LIFE_MS - 450_000 - 10_000, 5_000);
  const before = closesOf(world);
  expect(before[2]).toBe(0);
  expect(world.store.counts().entries).toBe(1);
  await world.advance(20_000, 5_000);
  const asked = closesOf(world).map((count, i) => count - before[i]!);
  expect(asked).toEqual([0, 0, 1]);
  expect(world.store.counts().entries).toBe(0);
  expect(world.gateways.map(({ gauges }) => gauges.flows)).toEqual([0, 0, 0]);
});

test('the last toucher died: the others forget, and the sweep ends the flow', async () => {
  const world = await seenByThree();
  world.gateways[2] = world.newGateway(2);
  await world.advance(UDP_LIFE_MS, 5_000);
  expect(world.gateways.map(({ gauges }) => gauges.flows)).toEqual([0, 0, 0]);
  expect(world.store.counts().entries).toBe(1);
  await world.sweep();
  expect(world.store.counts().entries).toBe(0);
});

test('a touch that is answered by somebody’s later one leaves the asking to them', async () => {
  const world = new World({ gateways: 2 });
  await world.send(1, Side.Inside, out);
  await world.send(0, Side.Inside, out);
  await world.advance(120_000, 5_000);
  // Gateway 1 saw a packet a second before gateway 0 did, and reports it after that.
  world.inject(1, Side.Inside, out);
  world.nowMs += 1_000;
  world.inject(0, Side.Inside, out);
  await world.settle();
  const merged = world.gateways.map(({ counters }) => counters.touchesMerged);
  expect(merged).toEqual([1, 1]);
  await world.advance(UDP_LIFE_MS + 10_000, 5_000);
  expect(closesOf(world)).toEqual([1, 0]);
  expect(world.store.counts().entries).toBe(0);
});

test('who opened a flow and asks again later learns that others saw it since', async () => {
  const world = new World({ gateways: 2 });
  await world.send(0, Side.Inside, out);
  await world.advance(150_000, 5_000);
  await world.send(1, Side.Inside, out);
  // After a gap in the feeds gateway 0 confirms what it holds.
  await world.changeStore(world.store.data.clone());
  await world.advance(30_000, 5_000);
  expect(world.gateways[0]!.counters.reconfirmed).toBeGreaterThan(0);
  await world.advance(UDP_LIFE_MS, 5_000);
  expect(closesOf(world)[0]).toBe(0);
});

test('who saw half of a connection’s end carries it no longer than the store does', async () => {
  const FIN_ACK = 0x11;
  const world = new World({ gateways: 2 });
  await world.advance(2 * TEST_CONFIG.heartbeatMs);
  const [syn] = await world.send(0, Side.Inside, tcpOut);
  await world.send(0, Side.Inside, segment);
  const answer = (tcpFlags: number) => back(syn!, { protocol: TCP, tcpFlags });
  await world.send(1, Side.Outside, answer(ACK));
  await world.send(1, Side.Outside, answer(FIN_ACK));
  await world.send(0, Side.Inside, { ...segment, tcpFlags: FIN_ACK });
  // The second gateway hears from the feed that both ends are closed, and knows of one itself.
  await world.advance(TEST_CONFIG.heartbeatMs);
  world.gateways[0] = world.newGateway(0);
  await world.advance(10 * 60_000, 5_000);
  await world.sweep();
  expect(world.store.counts().entries).toBe(0);
  expect(await world.send(1, Side.Outside, answer(ACK))).toEqual([]);
});
