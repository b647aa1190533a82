import { shardOfInside, TCP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { DEFAULT_POLICIES } from './policies.ts';
import { back, RST, SYN_ACK, segment, tcpOut, udpOut } from './testing/traffic.ts';
import {
  INSIDE,
  REMOTE,
  type Sent,
  STORE_CLOCK_MS,
  TEST_CONFIG,
  World,
  type WorldOptions,
} from './testing/world.ts';

const { heartbeatMs, leaseMs, quarantineMs, timeouts } = TEST_CONFIG;

/** Inside ports of one shard: who has a port for one of their flows has some for all of them. */
function portsOfOneShard(protocol: number): number[] {
  const address = Uint8Array.of(198, 18, 1, 10);
  const shardOf = (port: number) => shardOfInside({ domain: 0, protocol, address, port });
  const ports = Array.from({ length: 10_000 }, (_, i) => 6_000 + i);
  return [5_000, ...ports.filter((port) => shardOf(port) === shardOf(5_000))];
}

/** Two gateways with ports in hand for the flows above, whose own flows are others. */
async function ready(options: WorldOptions = {}): Promise<World> {
  const world = new World({ gateways: 2, ...options });
  for (const packet of [udpOut, tcpOut]) {
    for (const gateway of [0, 1]) {
      const fromPort = portsOfOneShard(packet.protocol!)[1 + gateway]!;
      await world.send(gateway, Side.Inside, { ...packet, fromPort });
    }
  }
  await world.advance(2 * heartbeatMs);
  return world;
}

async function withoutStore(options: WorldOptions = {}): Promise<World> {
  const world = await ready(options);
  world.storeIsAway = true;
  await world.advance(3 * heartbeatMs);
  return world;
}

/** A packet at a gateway that asks nobody: what left. */
function at(world: World, gateway: number, side: Side, packet: PacketSpec): Sent | undefined {
  const before = world.sent.length;
  world.inject(gateway, side, packet);
  for (const call of world.gateways[gateway]!.takeCalls(world.nowMs)) {
    world.gateways[gateway]!.reply({ id: call.id, results: null }, world.nowMs);
  }
  return world.sent[before];
}

describe('while the store is away', () => {
  test('a new flow goes at once, on a port that is held, both ways', async () => {
    const world = await withoutStore();
    for (const [packet, flags] of [[tcpOut, SYN_ACK] as const, [udpOut, 0] as const]) {
      const out = at(world, 0, Side.Inside, packet);
      expect(out).toMatchObject({ side: Side.Outside, to: REMOTE });
      const answer = back(out!, { protocol: packet.protocol!, tcpFlags: flags });
      expect(at(world, 0, Side.Outside, answer)).toMatchObject({ to: INSIDE, toPort: 5000 });
    }
    expect(world.gateways[0]!.counters.provisionalOpened).toBe(2);
    expect(world.gateways[0]!.gauges.provisionalFlows).toBe(2);
  });

  test('it is refused where the policy of its protocol says so', async () => {
    const onOutage = { ...DEFAULT_POLICIES.onOutage, tcp: 'refuse' } as const;
    const world = await withoutStore({ policies: { ...DEFAULT_POLICIES, onOutage } });
    expect(at(world, 0, Side.Inside, tcpOut)).toBeUndefined();
    expect(at(world, 0, Side.Inside, udpOut)).toBeDefined();
  });

  test('before the gateway is cut off, one waits for the store as long as is said', async () => {
    const world = await ready({ limits: { storeSilentMs: 500 } });
    world.storeIsAway = true;
    const before = world.sent.length;
    world.inject(0, Side.Inside, tcpOut);
    await world.advance(450, 50);
    expect(world.sent.length).toBe(before);
    await world.advance(150, 50);
    expect(world.sent.length).toBe(before + 1);
    expect(world.gateways[0]!.counters.provisionalOpened).toBe(1);
  });

  test('a gateway that stood still asks for what it gets when it goes on', async () => {
    const world = await ready();
    world.nowMs += 4 * heartbeatMs;
    const [sent] = await world.send(0, Side.Inside, tcpOut);
    expect(sent).toMatchObject({ side: Side.Outside, to: REMOTE });
    await world.advance(heartbeatMs);
    const { counters, gauges } = world.gateways[0]!;
    expect([counters.provisionalOpened, gauges.provisionalFlows]).toEqual([0, 0]);
  });

  test('there are no more of them than the limit', async () => {
    const world = await withoutStore({ limits: { provisionalMax: 1 } });
    expect(at(world, 0, Side.Inside, tcpOut)).toBeDefined();
    expect(at(world, 0, Side.Inside, udpOut)).toBeUndefined();
    const { counters, gauges } = world.gateways[0]!;
    expect([counters.provisionalOpened, gauges.provisionalFlows]).toEqual([1, 1]);
    expect(counters.provisionalRefused).toBeGreaterThan(0);
  });

  test('they end with the lease of their port where others may reach the store', async () => {
    const world = await ready();
    world.cutOff.add(0);
    await world.advance(3 * heartbeatMs);
    expect(at(world, 0, Side.Inside, udpOut)).toBeDefined();
    for (let ms = 0; ms < leaseMs + leaseMs / 3; ms += 5_000) {
      await world.advance(5_000);
      at(world, 0, Side.Inside, udpOut);
    }
    expect(at(world, 0, Side.Inside, udpOut)).toBeUndefined();
    expect(world.gateways[0]!.counters.provisionalLost).toBe(1);
  });
});

describe('when the store is back', () => {
  test('they are its own: another gateway carries them on', async () => {
    const world = await withoutStore();
    const syn = at(world, 0, Side.Inside, tcpOut);
    at(world, 0, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: SYN_ACK }));
    const datagram = at(world, 0, Side.Inside, udpOut);
    world.storeIsAway = false;
    await world.advance(heartbeatMs);
    const { counters, gauges } = world.gateways[0]!;
    expect([counters.provisionalKept, counters.provisionalLost]).toEqual([2, 0]);
    expect(gauges.provisionalFlows).toBe(0);
    const [out] = await world.send(1, Side.Inside, segment);
    expect(out).toMatchObject({ gateway: 1, from: syn!.from, fromPort: syn!.fromPort });
    const [answer] = await world.send(1, Side.Outside, back(datagram!));
    expect(answer).toMatchObject({ gateway: 1, to: INSIDE, toPort: 5000 });
  });

  test('however long it was away, and whatever was swept meanwhile', async () => {
    const world = await withoutStore();
    const datagram = at(world, 0, Side.Inside, udpOut);
    for (let ms = 0; ms < 10 * quarantineMs; ms += 10_000) {
      await world.advance(10_000);
      if (ms % 60_000 === 0) await world.sweep();
      expect(at(world, 0, Side.Inside, udpOut)).toMatchObject({ fromPort: datagram!.fromPort });
    }
    world.storeIsAway = false;
    await world.advance(2 * heartbeatMs);
    expect(world.gateways[0]!.counters).toMatchObject({ provisionalKept: 1, provisionalLost: 0 });
    const [answer] = await world.send(1, Side.Outside, back(datagram!));
    expect(answer).toMatchObject({ gateway: 1, to: INSIDE, toPort: 5000 });
  });

  test('one whose inside endpoint was opened elsewhere is lost, and counted', async () => {
    const world = await ready();
    world.cutOff.add(0);
    await world.advance(3 * heartbeatMs);
    const mine = at(world, 0, Side.Inside, udpOut);
    const [stored] = await world.send(1, Side.Inside, udpOut);
    expect(mine!.fromPort).not.toBe(stored!.fromPort);
    world.cutOff.clear();
    await world.advance(2 * heartbeatMs);
    expect(world.gateways[0]!.counters).toMatchObject({ provisionalKept: 0, provisionalLost: 1 });
    const [out] = await world.send(0, Side.Inside, udpOut);
    expect(out).toMatchObject({ gateway: 0, fromPort: stored!.fromPort });
  });

  test('what was seen of a lost one is told again, should the store lose that', async () => {
    const world = await ready();
    await world.send(1, Side.Inside, udpOut);
    await world.advance(timeouts.udpMs / 2);
    world.cutOff.add(0);
    await world.advance(3 * heartbeatMs);
    at(world, 0, Side.Inside, udpOut);
    const seenMs = world.nowMs;
    world.cutOff.clear();
    await world.advance(2 * heartbeatMs);
    expect(world.gateways[0]!.counters.provisionalLost).toBe(1);
    // The one that knows less of it tells first.
    await world.changeStore();
    world.cutOff.add(0);
    await world.advance(2 * heartbeatMs);
    world.cutOff.clear();
    await world.advance(3 * heartbeatMs);
    const [found] = world.store.data.shards.flatMap((shard) =>
      [...shard.entries.values()].filter(({ inside }) => inside.port === udpOut.fromPort),
    );
    expect(found!.binding.seenMs).toBeCloseTo(seenMs + STORE_CLOCK_MS, -2);
  });

  test('and empty: a connection goes on whose source port was used meanwhile', async () => {
    const world = await ready();
    const [syn] = await world.send(1, Side.Inside, tcpOut);
    await world.send(1, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: SYN_ACK }));
    await world.send(1, Side.Inside, segment);
    await world.advance(heartbeatMs);
    world.storeIsAway = true;
    await world.advance(3 * heartbeatMs);
    const other = at(world, 0, Side.Inside, { ...tcpOut, toPort: 443 });
    expect(other!.fromPort).not.toBe(syn!.fromPort);
    // What was opened meanwhile is stored first.
    world.lost.add('reassert');
    await world.changeStore();
    world.storeIsAway = false;
    await world.advance(2 * heartbeatMs);
    expect(world.gateways[0]!.counters).toMatchObject({ provisionalKept: 1 });
    world.lost.clear();
    await world.advance(3 * heartbeatMs);
    expect(world.gateways[1]!.counters.flowsLost).toBe(0);
    for (const gateway of [0, 1]) {
      const [out] = await world.send(gateway, Side.Inside, segment);
      expect(out).toMatchObject({ gateway, side: Side.Outside, fromPort: syn!.fromPort });
    }
  });

  test('the host of a lost TCP flow is told by the next segment', async () => {
    const world = await withoutStore();
    at(world, 0, Side.Inside, tcpOut);
    for (const block of world.store.data.shards.flatMap((s) => [...s.ports.blocks.values()])) {
      block.lease = { incarnation: 'f'.repeat(16), untilMs: Number.MAX_SAFE_INTEGER };
    }
    world.storeIsAway = false;
    await world.advance(leaseMs + 2 * heartbeatMs);
    expect(world.gateways[0]!.counters.provisionalLost).toBe(1);
    const [reset] = await world.send(0, Side.Inside, segment);
    expect(reset).toMatchObject({ side: Side.Inside, to: INSIDE });
    expect(reset!.tcpFlags & RST).toBe(RST);
  });

  test('one that fell idle is told too, so that its port is kept from others', async () => {
    const world = await withoutStore();
    const datagram = at(world, 0, Side.Inside, udpOut);
    await world.advance(4 * timeouts.udpMs);
    expect(at(world, 0, Side.Outside, back(datagram!))).toBeUndefined();
    world.storeIsAway = false;
    await world.advance(heartbeatMs);
    expect(world.gateways[0]!.counters.provisionalKept).toBe(1);
    await world.advance(leaseMs);
    await world.sweep();
    const rows = world.store.data.shards.flatMap((s) =>
      [...s.ports.blocks.values()].flatMap(({ rows }) => [...rows.values()]),
    );
    expect(rows.filter(({ kind }) => kind === 'quarantined').length).toBeGreaterThan(0);
  });

  test('they are told at a pace that the store can bear', async () => {
    const world = await withoutStore({ limits: { provisionalInFlightMax: 1 } });
    at(world, 0, Side.Inside, tcpOut);
    at(world, 0, Side.Inside, udpOut);
    world.storeIsAway = false;
    await world.advance(heartbeatMs);
    const opens = world.calls.filter(({ operation }) => operation === 'open').slice(-2);
    expect(opens.map(({ requests }) => requests.length)).toEqual([1, 1]);
    expect(world.gateways[0]!.counters.provisionalKept).toBe(2);
  });
});
