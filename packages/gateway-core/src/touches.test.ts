/** What the store is told of a flow in use: seldom, spread, and true when it is said. */
import { IN_DATA, IN_SYN, OUT_DATA, OUT_SYN, TCP, touchIntervalMs, UDP } from '@flowstore/flow';
import type { TouchRequest } from '@flowstore/flow-store';
import type { PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { ACK, back, SYN_ACK, segment, tcpOut } from './testing/traffic.ts';
import { INSIDE, REMOTE, TEST_CONFIG, World } from './testing/world.ts';

const INTERVAL_MS = touchIntervalMs(TEST_CONFIG.timeouts.udpMs);
const STEP_MS = 1_000;

function udp(port: number): PacketSpec {
  return { protocol: UDP, from: INSIDE, fromPort: port, to: REMOTE, toPort: 53 };
}

test('flows in use are touched after 80 to 100 % of a third of their timeout, spread', async () => {
  const world = new World();
  const flows = 60;
  const begin = world.nowMs;
  for (let i = 0; i < flows; i++) await world.send(0, Side.Inside, udp(2_000 + i));
  const touchedMs = new Map<number, number>();
  while (world.nowMs < begin + INTERVAL_MS + STEP_MS) {
    const before = world.calls.length;
    await world.advance(STEP_MS);
    for (let i = 0; i < flows; i++) await world.send(0, Side.Inside, udp(2_000 + i));
    for (const { operation, requests } of world.calls.slice(before)) {
      if (operation !== 'touch') continue;
      for (const { inside } of requests as TouchRequest[]) {
        if (!touchedMs.has(inside.port)) touchedMs.set(inside.port, world.nowMs - begin);
      }
    }
  }
  const times = [...touchedMs.values()];
  expect(times).toHaveLength(flows);
  expect(Math.min(...times)).toBeGreaterThanOrEqual(0.8 * INTERVAL_MS);
  expect(Math.max(...times)).toBeLessThanOrEqual(INTERVAL_MS + STEP_MS);
  // No herd: they spread over all of the 20 %.
  expect(new Set(times).size).toBeGreaterThan(10);
});

test('a touch that is repeated says how long ago it was by then', async () => {
  const world = new World();
  await world.send(0, Side.Inside, udp(2_000));
  await world.advance(INTERVAL_MS, STEP_MS);
  world.storeIsAway = true;
  await world.send(0, Side.Inside, udp(2_000));
  await world.advance(4_000, 50);
  world.storeIsAway = false;
  await world.advance(500, 50);
  const touches = world.calls.filter(({ operation }) => operation === 'touch');
  const ages = touches.map(({ requests }) => (requests[0] as TouchRequest).seen.ageMs!);
  expect(ages[0]).toBe(0);
  expect(ages.at(-1)).toBeGreaterThanOrEqual(4_000);
  expect(ages).toEqual([...ages].sort((a, b) => a - b));
  expect(world.gateways[0]!.counters.touchesMerged).toBe(1);
});

test('a report that got lost is among the last words: it is news until it was merged', async () => {
  const world = new World({ limits: { touchRetriesMax: 0 } });
  const [core] = world.gateways;
  await world.send(0, Side.Inside, udp(2_000));
  await world.advance(INTERVAL_MS, STEP_MS);
  world.lost.add('touch');
  await world.send(0, Side.Inside, udp(2_000));
  expect(core!.counters).toMatchObject({ touchRetriesDropped: 1, touchesMerged: 0 });
  world.lost.clear();
  core!.finish(world.nowMs);
  await world.settle();
  expect(core!.counters.touchesMerged).toBe(1);
});

test('no flow ends before its timeout and slack have passed since its last packet', async () => {
  const world = new World({ gateways: 2 });
  await world.send(0, Side.Inside, udp(2_000));
  // Its last packet comes just before it would have been touched, and its gateway dies at once.
  await world.advance(0.79 * INTERVAL_MS, STEP_MS);
  await world.send(0, Side.Inside, udp(2_000));
  world.gateways[0] = world.newGateway(0);
  await world.advance(TEST_CONFIG.timeouts.udpMs, STEP_MS);
  await world.sweep();
  expect(await world.send(1, Side.Inside, udp(2_000))).toHaveLength(1);
  expect(world.gateways[1]!.counters.flowsJoined + world.gateways[1]!.counters.foundInStore).toBe(
    1,
  );
});

describe('touches gather', () => {
  const GATHER_MS = 100;
  const gathering = () => new World({ gateways: 2, limits: { touchGatherMs: GATHER_MS } });
  const touches = (world: World) => world.calls.filter(({ operation }) => operation === 'touch');

  test('for a moment: what changes within it is told once, and with others', async () => {
    const world = gathering();
    for (const fromPort of [2_000, 2_001]) {
      const [syn] = await world.send(0, Side.Inside, { ...tcpOut, fromPort });
      await world.send(0, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: SYN_ACK }));
      await world.send(0, Side.Inside, { ...segment, fromPort });
      await world.send(0, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: ACK }));
    }
    await world.advance(GATHER_MS - 10, 10);
    expect(touches(world)).toEqual([]);
    await world.advance(20, 10);
    const told = touches(world).map(({ requests }) =>
      (requests as TouchRequest[]).map(({ seen }) => seen.flags),
    );
    const all = OUT_SYN | IN_SYN | OUT_DATA | IN_DATA;
    expect(told).toEqual([[all, all]]);
  });

  test('no longer where they fill a call, or a gateway says its last words', async () => {
    const world = new World({ limits: { touchGatherMs: 60_000, requestsPerCallMax: 2 } });
    const syn = async (fromPort: number) => {
      const [sent] = await world.send(0, Side.Inside, { ...tcpOut, fromPort });
      await world.send(0, Side.Outside, back(sent!, { protocol: TCP, tcpFlags: SYN_ACK }));
    };
    await syn(2_000);
    expect(touches(world)).toHaveLength(0);
    await syn(2_001);
    expect(touches(world)).toHaveLength(1);
    await syn(2_002);
    expect(touches(world)).toHaveLength(1);
    world.gateways[0]!.finish(world.nowMs);
    await world.settle();
    expect(touches(world)).toHaveLength(2);
  });
});
