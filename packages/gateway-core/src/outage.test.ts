import { TCP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { DEFAULT_POLICIES } from './policies.ts';
import { back, SYN_ACK, segment, tcpOut, udpOut } from './testing/traffic.ts';
import { nameOf, TEST_CONFIG, World, type WorldOptions } from './testing/world.ts';

const { cacheLeaseMs, heartbeatMs, leaseMs, timeouts } = TEST_CONFIG;

/** A connection at gateway 0 and a UDP binding, both known to gateway 1, all news read. */
async function settled(options: WorldOptions = {}) {
  const world = new World({ gateways: 2, ...options });
  await world.advance(2 * heartbeatMs);
  const [syn] = await world.send(0, Side.Inside, tcpOut);
  await world.send(0, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: SYN_ACK }));
  await world.send(0, Side.Inside, segment);
  const [datagram] = await world.send(0, Side.Inside, udpOut);
  if (world.gateways.length > 1) {
    await world.send(1, Side.Inside, segment);
    await world.send(1, Side.Inside, udpOut);
  }
  await world.advance(2 * heartbeatMs);
  return { world, syn: syn!, datagram: datagram! };
}

/** Whether a packet of the known connection and one of the binding go on at once. */
function goOn(world: World, gateway: number): [tcp: boolean, udp: boolean] {
  const passes = (packet: PacketSpec) => {
    const before = world.sent.length;
    world.inject(gateway, Side.Inside, packet);
    return world.sent.slice(before).some(({ side }) => side === Side.Outside);
  };
  return [passes(segment), passes(udpOut)];
}

describe('the store is away for everybody', () => {
  test('known flows go on for as long as it lasts, and after it', async () => {
    const { world, syn, datagram } = await settled();
    world.storeIsAway = true;
    const lastsMs = 3 * timeouts.udpMs;
    for (let ms = 0; ms < lastsMs; ms += 10_000) {
      await world.advance(10_000);
      expect([ms, ...goOn(world, 0), ...goOn(world, 1)]).toEqual([ms, true, true, true, true]);
    }
    expect(world.gateways.map(({ outage }) => outage)).toEqual(['everybodys', 'everybodys']);
    // Nobody reported anything, so the reaper ends what it takes for idle.
    await world.sweep();
    world.storeIsAway = false;
    const outside = new Set<string>();
    for (let ms = 0; ms < 2 * leaseMs; ms += 1_000) {
      await world.advance(1_000);
      expect([ms, ...goOn(world, 0), ...goOn(world, 1)]).toEqual([ms, true, true, true, true]);
    }
    for (const { from, fromPort } of world.sent.slice(-8)) outside.add(`${from}:${fromPort}`);
    expect(outside).toEqual(new Set([syn, datagram].map((s) => `${s.from}:${s.fromPort}`)));
    for (const { counters, outage } of world.gateways) {
      expect(outage).toBe('reached');
      expect(counters).toMatchObject({ resetsSent: 0, outagesOfEverybody: 1, partitions: 1 });
    }
  });

  test('what is kept is confirmed in the background once the store is back', async () => {
    const { world } = await settled();
    world.storeIsAway = true;
    await world.advance(5 * cacheLeaseMs);
    world.storeIsAway = false;
    const before = world.gateways[0]!.counters.reconfirmed;
    await world.advance(2 * heartbeatMs);
    expect(world.gateways[0]!.counters.reconfirmed).toBeGreaterThan(before);
    // It does not live by the outage any more: another one begins from here.
    world.cutOff.add(0).add(1);
    world.mute.add(0);
    await world.advance(cacheLeaseMs - heartbeatMs);
    expect(goOn(world, 0)).toEqual([true, true]);
  });

  test('new flows open once it is back, on ports that nobody had', async () => {
    const { world } = await settled();
    world.storeIsAway = true;
    await world.advance(cacheLeaseMs);
    world.storeIsAway = false;
    await world.advance(heartbeatMs);
    const open = async (fromPort: number) =>
      (await world.send(0, Side.Inside, { ...udpOut, fromPort })).length;
    for (let port = 20_000; port < 20_050; port++)
      expect([port, await open(port)]).toEqual([port, 1]);
  });

  test('it is so too for a gateway that is alone', async () => {
    const { world } = await settled({ gateways: 1 });
    world.storeIsAway = true;
    await world.advance(5 * cacheLeaseMs);
    expect(goOn(world, 0)).toEqual([true, true]);
  });

  test('a peer that began anew and never heard the store does not end it', async () => {
    const { world } = await settled();
    world.storeIsAway = true;
    await world.advance(5 * heartbeatMs);
    world.mute.add(1);
    for (let ms = 0; ms < 5 * cacheLeaseMs; ms += heartbeatMs) {
      await world.advance(heartbeatMs);
      const message = { kind: 'contact', round: world.rounds[0] ?? 0, heardAgeMs: null } as const;
      world.gateways[0]!.peerMessage(nameOf(1), message, world.nowMs);
    }
    expect(goOn(world, 0)).toEqual([true, true]);
  });

  test('the store is back for one: the other stops a cache lease later', async () => {
    const { world } = await settled();
    world.storeIsAway = true;
    await world.advance(5 * cacheLeaseMs);
    world.storeIsAway = false;
    world.cutOff.add(0);
    await world.advance(cacheLeaseMs - heartbeatMs);
    expect(goOn(world, 0)).toEqual([true, true]);
    await world.advance(heartbeatMs);
    expect(goOn(world, 0)).toEqual([false, false]);
    expect(world.gateways[0]!.outage).toBe('partitioned');
  });
});

describe('the store is away for one gateway', () => {
  const stops = async (how: (world: World) => void) => {
    const { world } = await settled();
    world.cutOff.add(0);
    how(world);
    await world.advance(cacheLeaseMs - heartbeatMs - 1_000);
    expect(goOn(world, 0)).toEqual([true, true]);
    await world.advance(heartbeatMs + 2_000);
    expect(goOn(world, 0)).toEqual([false, false]);
    return world;
  };

  test('it stops known flows at the end of the cache lease', async () => {
    await stops(() => {});
  });

  test('so it does when a peer is silent, whatever may be the reason', async () => {
    const world = await stops((world) => {
      world.cutOff.add(1);
      world.mute.add(1);
    });
    expect(world.gateways[0]!.counters.peersAsked).toBeGreaterThan(5);
  });

  test('and when it does not know its peers', async () => {
    await stops((world) => world.gateways[0]!.setPeers(null, world.nowMs));
    await stops((world) => {
      const many = Array.from({ length: 257 }, (_, i) => `peer ${i}`);
      world.gateways[0]!.setPeers(many, world.nowMs);
    });
  });

  test('and when a store that lost its data has listed nobody else yet', async () => {
    await stops((world) => world.gateways[0]!.setPeers([], world.nowMs));
  });

  test('and when it was told so little of who is there', async () => {
    await stops((world) => {
      world.gateways[0]!.setPeers(null, world.nowMs);
      world.gateways[0]!.setPeers([], world.nowMs);
      world.gateways[0]!.setPeers([], world.nowMs + heartbeatMs);
    });
  });

  test('who was not listed for two heartbeats is no peer any more', async () => {
    const { world } = await settled();
    const [core] = world.gateways;
    for (const ageMs of [0, 2 * heartbeatMs]) core!.setPeers([], world.nowMs + ageMs);
    world.cutOff.add(0);
    await world.advance(5 * cacheLeaseMs);
    expect(goOn(world, 0)).toEqual([true, true]);
  });

  test('with the policy `forward` it goes on, and counts that', async () => {
    const { world } = await settled({ policies: { ...DEFAULT_POLICIES, onPartition: 'forward' } });
    world.cutOff.add(0);
    await world.advance(5 * cacheLeaseMs);
    expect(goOn(world, 0)).toEqual([true, true]);
    expect(world.gateways[0]!.outage).toBe('partitioned');
    expect(world.gateways[0]!.counters.partitions).toBe(1);
  });
});

test('messages to peers that nobody takes are bounded', async () => {
  const world = new World({ gateways: 3, limits: { peerMessagesMax: 3 } });
  const [core] = world.gateways;
  for (let ms = 0; ms < 60_000; ms += 1_000) core!.tick(world.nowMs + ms);
  expect(core!.takePeerMessages()).toHaveLength(3);
  expect(core!.counters.peerMessagesDropped).toBeGreaterThan(0);
});
