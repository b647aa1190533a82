import { ICMP, TCP, UDP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { INSIDE, REMOTE, World } from './testing/world.ts';

const SYN = 0x02;
const SYN_ACK = 0x12;
const ACK = 0x10;
const FIN_ACK = 0x11;
const RST = 0x04;

const udpOut: PacketSpec = {
  protocol: UDP,
  from: INSIDE,
  fromPort: 5000,
  to: REMOTE,
  toPort: 53,
};
const synOut: PacketSpec = { ...udpOut, protocol: TCP, toPort: 80, tcpFlags: SYN };

/** The answer to a packet that left on the outside. */
function answer(sent: { from: string; fromPort: number; to: string; toPort: number }, spec = {}) {
  const { from, fromPort, to, toPort } = sent;
  return { protocol: UDP, from: to, fromPort: toPort, to: from, toPort: fromPort, ...spec };
}

/** Completes a handshake at the given gateways; returns the SYN as it left. */
async function connect(world: World, outAt = 0, inAt = outAt) {
  const [syn] = await world.send(outAt, Side.Inside, synOut);
  await world.send(inAt, Side.Outside, answer(syn!, { protocol: TCP, tcpFlags: SYN_ACK }));
  await world.send(outAt, Side.Inside, { ...synOut, tcpFlags: ACK });
  await world.send(inAt, Side.Outside, answer(syn!, { protocol: TCP, tcpFlags: ACK }));
  return syn!;
}

describe('a new flow from inside', () => {
  test('no packet is outside before the store acknowledged its flow', async () => {
    const world = new World();
    world.inject(0, Side.Inside, udpOut);
    expect(world.sent).toHaveLength(0);
    await world.settle();
    expect(world.sent).toHaveLength(1);
    expect(world.calls.map((call) => call.operation)).toEqual(['lease', 'open']);
    expect(world.sent[0]).toMatchObject({ side: Side.Outside, to: REMOTE, toPort: 53 });
    expect(world.sent[0]!.from).toMatch(/^203\.0\.113\./);
  });

  test('an inside endpoint has one outside endpoint for all peers, at all gateways', async () => {
    const world = new World({ gateways: 3 });
    const outside = new Set<string>();
    for (let gateway = 0; gateway < 3; gateway++) {
      for (const to of ['198.51.100.10', '198.51.100.20']) {
        const [sent] = await world.send(gateway, Side.Inside, { ...udpOut, to, toPort: 1000 });
        outside.add(`${sent!.from}:${sent!.fromPort}`);
      }
    }
    expect(outside.size).toBe(1);
  });

  test('packets that come while the store is asked leave in order', async () => {
    const world = new World();
    for (let i = 0; i < 5; i++) {
      world.inject(0, Side.Inside, { ...udpOut, payload: Uint8Array.of(i) });
    }
    await world.settle();
    expect(world.sent.map((sent) => sent.bytes.at(-1))).toEqual([0, 1, 2, 3, 4]);
    expect(world.calls.filter((call) => call.operation === 'open')).toHaveLength(1);
  });

  test('a known flow asks the store nothing', async () => {
    const world = new World();
    await world.send(0, Side.Inside, udpOut);
    const calls = world.calls.length;
    for (let i = 0; i < 100; i++) world.inject(0, Side.Inside, udpOut);
    await world.settle();
    expect(world.sent).toHaveLength(101);
    expect(world.calls).toHaveLength(calls);
  });

  test('two gateways that open the same flow at once end up with one binding', async () => {
    const world = new World({ gateways: 2 });
    world.inject(0, Side.Inside, udpOut);
    world.inject(1, Side.Inside, udpOut);
    await world.settle();
    expect(world.sent).toHaveLength(2);
    expect(world.sent[0]!.fromPort).toBe(world.sent[1]!.fromPort);
    const { flowsOpened: a, flowsJoined: b } = world.gateways[0]!.counters;
    const { flowsOpened: c, flowsJoined: d } = world.gateways[1]!.counters;
    expect([a + c, b + d]).toEqual([1, 1]);
  });

  test('no two inside endpoints get one outside endpoint, whoever opens them', async () => {
    const world = new World({ gateways: 3 });
    for (let port = 0; port < 600; port++) {
      world.inject(port % 3, Side.Inside, { ...udpOut, fromPort: 10_000 + port });
    }
    await world.settle();
    const outside = world.sent.map((sent) => `${sent.from}:${sent.fromPort}`);
    expect(new Set(outside).size).toBe(600);
  });

  test('ICMP echo is translated by its identifier, both ways', async () => {
    const world = new World({ gateways: 2 });
    const ping = { ...udpOut, protocol: ICMP, fromPort: 77 };
    const [out] = await world.send(0, Side.Inside, ping);
    expect(out!.fromPort).toBeGreaterThanOrEqual(1024);
    const reply = answer(out!, { protocol: ICMP, icmpType: 0, fromPort: out!.fromPort });
    const [back] = await world.send(1, Side.Outside, reply);
    expect(back).toMatchObject({ side: Side.Inside, to: INSIDE, toPort: 77 });
  });
});

describe('a flow that another gateway opened', () => {
  test('its answer passes a gateway that never saw it', async () => {
    const world = new World({ gateways: 2 });
    const [out] = await world.send(0, Side.Inside, udpOut);
    const [back] = await world.send(1, Side.Outside, answer(out!));
    expect(back).toMatchObject({ gateway: 1, to: INSIDE, toPort: 5000, from: REMOTE });
    expect(world.gateways[1]!.counters.foundInStore).toBe(1);
  });

  test('a connection whose two directions cross two gateways is established for both', async () => {
    const world = new World({ gateways: 2 });
    const syn = await connect(world, 0, 1);
    const inside = { domain: 0, protocol: TCP, address: Uint8Array.of(198, 18, 1, 10), port: 5000 };
    const remote = { address: Uint8Array.of(198, 51, 100, 10), port: 80 };
    const [found] = await world.store.find([{ direction: 'inside', inside, remote }]);
    expect(found).toMatchObject({ kind: 'entry', entry: { outside: { port: syn.fromPort } } });
    expect(found!.kind === 'entry' && found!.entry.flow!.flags).toBe(0b1111);
    expect(found!.kind === 'entry' && found!.entry.flow!.lifeMs).toBeGreaterThan(7_440_000);
  });

  test('a killed gateway resets nothing: the next packet is translated as before', async () => {
    const world = new World({ gateways: 2 });
    const syn = await connect(world, 0);
    // Gateway 0 is dead from here on; gateway 1 never saw the connection.
    const data = { ...synOut, tcpFlags: ACK, payload: Uint8Array.of(1, 2, 3) };
    const [out] = await world.send(1, Side.Inside, data);
    expect(out).toMatchObject({ from: syn.from, fromPort: syn.fromPort, tcpFlags: ACK });
    const [back] = await world.send(1, Side.Outside, answer(syn, { protocol: TCP }));
    expect(back).toMatchObject({ to: INSIDE, toPort: 5000 });
    expect(world.gateways[1]!.counters.resetsSent).toBe(0);
  });
});

describe('a packet of no flow', () => {
  test('a mid-stream segment from inside is answered by RST, and never gets a port', async () => {
    const world = new World();
    const segment = { ...synOut, tcpFlags: ACK, acknowledgement: 4711 };
    const sent = await world.send(0, Side.Inside, segment);
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ side: Side.Inside, to: INSIDE, from: REMOTE, tcpFlags: RST });
    expect(world.calls.map((call) => call.operation)).toEqual(['find']);
  });

  test('an RST of an unknown connection is not answered', async () => {
    const world = new World();
    expect(await world.send(0, Side.Inside, { ...synOut, tcpFlags: RST })).toHaveLength(0);
  });

  test('an unsolicited packet from outside goes nowhere', async () => {
    const world = new World();
    const scan = { ...udpOut, from: REMOTE, to: '203.0.113.5', toPort: 4000 };
    expect(await world.send(0, Side.Outside, scan)).toHaveLength(0);
    expect(world.gateways[0]!.counters.dropNoBinding).toBe(1);
  });

  test('a SYN from outside joins a binding (endpoint-independent filtering)', async () => {
    const world = new World({ gateways: 2 });
    const syn = await connect(world, 0);
    const stranger = { protocol: TCP, from: '198.51.100.20', fromPort: 9, tcpFlags: SYN };
    const call = { ...stranger, to: syn.from, toPort: syn.fromPort };
    const [sent] = await world.send(1, Side.Outside, call);
    expect(sent).toMatchObject({ to: INSIDE, toPort: 5000, from: '198.51.100.20' });
    const late = { ...call, fromPort: 10, tcpFlags: ACK };
    expect(await world.send(1, Side.Outside, late)).toHaveLength(0);
    expect(world.gateways[1]!.counters.dropNoFlow).toBe(1);
  });

  test('a remembered "no" answers no packet: a flow opened meanwhile is found', async () => {
    const world = new World({ gateways: 2 });
    const [probe] = await world.send(1, Side.Inside, udpOut);
    const scan = answer(probe!, { toPort: probe!.fromPort });
    const other = { ...udpOut, fromPort: 6000 };
    // Gateway 0 asks about an endpoint that is bound only afterwards.
    const [bound] = await world.send(1, Side.Inside, other);
    const unbound = { ...scan, to: bound!.from, toPort: bound!.fromPort };
    const fresh = new World({ gateways: 2, seed: 1 });
    await fresh.send(1, Side.Inside, udpOut);
    expect(await fresh.send(0, Side.Outside, unbound)).toHaveLength(0);
    await fresh.send(1, Side.Inside, other);
    expect(await fresh.send(0, Side.Outside, unbound)).toHaveLength(0);
    await fresh.advance(60, 10);
    expect(fresh.sent.at(-1)).toMatchObject({ gateway: 0, to: INSIDE, toPort: 6000 });
  });

  test('sources that are not served, and destinations outside the pool, are dropped', async () => {
    const world = new World();
    await world.send(0, Side.Inside, { ...udpOut, from: '192.0.2.1' });
    await world.send(0, Side.Outside, { ...udpOut, from: REMOTE, to: '192.0.2.1' });
    await world.send(0, Side.Outside, { ...udpOut, from: REMOTE, to: '203.0.113.5', toPort: 53 });
    expect(world.sent).toHaveLength(0);
    expect(world.gateways[0]!.counters).toMatchObject({
      dropNotInside: 1,
      dropNotPool: 1,
      dropWellKnownPort: 1,
    });
  });
});

describe('the end of a flow', () => {
  test('idle at the gateway that reported it last, it is closed', async () => {
    const world = new World();
    await world.send(0, Side.Inside, udpOut);
    await world.advance(600_000, 5_000);
    expect(world.gateways[0]!.counters.flowsClosed).toBe(1);
    expect(world.gateways[0]!.gauges.flows).toBe(0);
  });

  test('idle here but seen elsewhere, it lives on', async () => {
    const world = new World({ gateways: 2 });
    const [first] = await world.send(0, Side.Inside, udpOut);
    for (let i = 0; i < 20; i++) {
      await world.advance(50_000, 5_000);
      await world.send(1, Side.Inside, udpOut);
    }
    const { flowsClosed, timersSleptAgain } = world.gateways[0]!.counters;
    expect([flowsClosed, timersSleptAgain]).toEqual([0, 1]);
    expect(world.sent.at(-1)!.fromPort).toBe(first!.fromPort);
  });

  test('a packet that wakes a flow where it was not known is reported at once', async () => {
    const world = new World({ gateways: 2 });
    const [first] = await world.send(0, Side.Inside, udpOut);
    await world.advance(290_000, 5_000);
    const [out] = await world.send(1, Side.Inside, udpOut);
    await world.advance(290_000, 5_000);
    await world.sweep();
    expect((await world.send(0, Side.Outside, answer(out!))).length).toBe(1);
    expect(out!.fromPort).toBe(first!.fromPort);
  });

  test('a question that confirms a flow does not replace its report', async () => {
    const world = new World({ gateways: 2 });
    await world.send(0, Side.Inside, udpOut);
    await world.advance(90_000, 5_000);
    await world.send(0, Side.Inside, udpOut);
    world.storeIsAway = true;
    await world.advance(80_000, 5_000);
    world.storeIsAway = false;
    const [out] = await world.send(0, Side.Inside, udpOut);
    await world.advance(100, 10);
    world.gateways[0]!.finish(world.nowMs);
    await world.settle();
    await world.advance(400_000, 5_000);
    await world.sweep();
    expect((await world.send(1, Side.Outside, answer(out!))).length).toBe(1);
  });

  test('inbound packets alone do not keep a UDP mapping (RFC 4787 REQ-6)', async () => {
    const world = new World();
    const [out] = await world.send(0, Side.Inside, udpOut);
    for (let i = 0; i < 60; i++) {
      await world.advance(10_000, 5_000);
      await world.send(0, Side.Outside, answer(out!));
    }
    expect(await world.send(0, Side.Outside, answer(out!))).toHaveLength(0);
  });

  test('a new SYN on a closing flow is its next incarnation', async () => {
    const world = new World();
    const syn = await connect(world);
    await world.send(0, Side.Inside, { ...synOut, tcpFlags: FIN_ACK });
    await world.send(0, Side.Outside, answer(syn, { protocol: TCP, tcpFlags: FIN_ACK }));
    await world.advance(1_000);
    const [again] = await world.send(0, Side.Inside, synOut);
    expect(again).toMatchObject({ fromPort: syn.fromPort, tcpFlags: SYN });
    expect(world.gateways[0]!.counters.flowsOpened).toBe(2);
  });

  test('a SYN-ACK where the last incarnation is held counts for the next one', async () => {
    const world = new World({ gateways: 2 });
    const syn = await connect(world, 0, 1);
    await world.send(0, Side.Inside, { ...synOut, tcpFlags: FIN_ACK });
    await world.send(1, Side.Outside, answer(syn, { protocol: TCP, tcpFlags: FIN_ACK }));
    await world.advance(1_000);
    await world.send(0, Side.Inside, synOut);
    // Before any feed is read: the whole handshake, and an answer.
    await world.send(1, Side.Outside, answer(syn, { protocol: TCP, tcpFlags: SYN_ACK }));
    await world.send(0, Side.Inside, { ...synOut, tcpFlags: ACK });
    await world.send(1, Side.Outside, answer(syn, { protocol: TCP, tcpFlags: ACK }));
    await world.advance(3_600_000, 5_000);
    await world.sweep();
    const sent = await world.send(1, Side.Outside, answer(syn, { protocol: TCP, tcpFlags: ACK }));
    expect(sent).toHaveLength(1);
  });

  test('after all clients stopped nothing is left, in the gateways or in the store', async () => {
    const world = new World({ gateways: 2 });
    await connect(world, 0, 1);
    for (let port = 0; port < 50; port++) {
      await world.send(port % 2, Side.Inside, { ...udpOut, fromPort: 7000 + port });
      await world.send(port % 2, Side.Inside, { ...udpOut, protocol: ICMP, fromPort: port });
    }
    for (let i = 0; i < 12; i++) {
      await world.advance(1_000_000, 10_000);
      await world.sweep();
    }
    for (const { gauges } of world.gateways) {
      expect(gauges).toMatchObject({ flows: 0, questions: 0, heldBytes: 0, portBlocks: 0 });
    }
    for (const { entries, ports } of world.store.data.shards) {
      expect([entries.size, ports.blocks.size]).toEqual([0, 0]);
    }
  });

  test('a gateway that stops reports what it saw and gives its ports back', async () => {
    const world = new World();
    await world.send(0, Side.Inside, udpOut);
    await world.advance(10_000);
    world.inject(0, Side.Inside, udpOut);
    world.gateways[0]!.finish(world.nowMs);
    expect(world.gateways[0]!.settled).toBe(false);
    await world.settle();
    expect(world.gateways[0]!.settled).toBe(true);
    expect(world.calls.slice(-2).map((call) => call.operation)).toEqual(['touch', 'release']);
  });
});
