import { TCP } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { ACK, back, segment, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, type Sent, TEST_CONFIG, World } from './testing/world.ts';

const { heartbeatMs, leaseMs, quarantineMs } = TEST_CONFIG;

/** Two gateways, a connection and a UDP binding, all that was to be read read. */
async function settled(): Promise<{ world: World; syn: Sent; datagram: Sent }> {
  const world = new World({ gateways: 2 });
  await world.advance(2 * heartbeatMs);
  const [syn] = await world.send(0, Side.Inside, tcpOut);
  await world.send(0, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: ACK }));
  await world.send(0, Side.Inside, segment);
  const [datagram] = await world.send(0, Side.Inside, udpOut);
  await world.advance(2 * heartbeatMs);
  return { world, syn: syn!, datagram: datagram! };
}

describe('a store that lost all of its data', () => {
  test('is told again what the gateways hold, and nothing is reset', async () => {
    const { world, syn, datagram } = await settled();
    await world.changeStore();
    await world.advance(3 * heartbeatMs);
    expect(world.gateways[0]!.counters).toMatchObject({ flowsRestored: 2, flowsLost: 0 });
    const [out] = await world.send(1, Side.Inside, segment);
    expect(out).toMatchObject({ side: Side.Outside, from: syn.from, fromPort: syn.fromPort });
    const [answer] = await world.send(1, Side.Outside, back(datagram));
    expect(answer).toMatchObject({ to: INSIDE, toPort: 5000 });
    for (const { counters } of world.gateways) expect(counters.resetsSent).toBe(0);
  });

  test('is told once it hears, and by flows that idle, too', async () => {
    const { world } = await settled();
    await world.changeStore();
    world.lost.add('reassert');
    await world.advance(3 * heartbeatMs);
    expect(world.gateways[0]!.counters.flowsRestored).toBe(0);
    world.lost.clear();
    await world.advance(3 * heartbeatMs);
    expect(world.gateways[0]!.counters).toMatchObject({ flowsRestored: 2, flowsLost: 0 });
  });

  test('a packet at a gateway that holds nothing waits for the one that does', async () => {
    const { world, syn } = await settled();
    await world.changeStore();
    world.inject(1, Side.Inside, segment);
    await world.settle();
    expect(world.gateways[1]!.counters).toMatchObject({ notYet: 1, resetsSent: 0 });
    await world.advance(2 * heartbeatMs, 100);
    // Held for two seconds at most: the sender's next one finds what was put back.
    const [out] = await world.send(1, Side.Inside, segment);
    expect(out).toMatchObject({ from: syn.from, fromPort: syn.fromPort });
    expect(world.gateways[1]!.counters.resetsSent).toBe(0);
  });

  test('a holder asks for nothing: its own packets go on', async () => {
    const { world, syn } = await settled();
    await world.changeStore();
    for (let second = 0; second < 120; second++) {
      await world.advance(1_000);
      world.inject(0, Side.Inside, segment);
      expect(world.sent.at(-1)).toMatchObject({ side: Side.Outside, fromPort: syn.fromPort });
    }
  });

  test('grants nothing at first, and everything once nobody can hold anything else', async () => {
    const { world } = await settled();
    await world.changeStore();
    const many = Array.from({ length: 40 }, (_, i) => ({ ...udpOut, fromPort: 20_000 + i }));
    const before = world.sent.length;
    for (const packet of many) world.inject(1, Side.Inside, packet);
    await world.advance(5_000, 100);
    expect(world.sent.length).toBe(before);
    await world.advance(leaseMs + quarantineMs, 1_000);
    for (const packet of many) world.inject(1, Side.Inside, packet);
    await world.settle();
    expect(world.sent.length).toBe(before + 40);
  });

  test('a gateway that is granted no ports yet joins the bindings that there are', async () => {
    const { world, datagram } = await settled();
    await world.changeStore();
    await world.advance(leaseMs + 2 * heartbeatMs);
    const [out] = await world.send(1, Side.Inside, udpOut);
    expect(out).toMatchObject({ from: datagram.from, fromPort: datagram.fromPort });
    // A new binding has to wait, and its packet is held for as long as packets are.
    await world.send(1, Side.Inside, { ...udpOut, fromPort: 6_000 });
    expect(world.gateways[1]!.counters.dropPortsExhausted).toBe(0);
  });

  test('leases that it lost stay with their holder, and no port is given twice', async () => {
    const { world, datagram } = await settled();
    const blocks = world.gateways[0]!.gauges.portBlocks;
    await world.changeStore();
    await world.advance(leaseMs + quarantineMs, 1_000);
    expect(world.gateways[0]!.gauges.portBlocks).toBeGreaterThanOrEqual(blocks);
    const outside = new Set([`${datagram.from}:${datagram.fromPort}`]);
    const before = world.sent.length;
    for (let i = 0; i < 300; i++) {
      await world.send(i % 2, Side.Inside, { ...udpOut, fromPort: 20_000 + i });
    }
    for (const { from, fromPort } of world.sent.slice(before)) outside.add(`${from}:${fromPort}`);
    expect(outside.size).toBe(301);
  });
});

test('a server that takes over without the last writes is told them again', async () => {
  const world = new World({ gateways: 2 });
  await world.advance(2 * heartbeatMs);
  const [first] = await world.send(0, Side.Inside, tcpOut);
  const snapshot = world.store.data.clone();
  const other = { ...tcpOut, toPort: 81 };
  const [second] = await world.send(0, Side.Inside, other);
  expect(second!.fromPort).toBe(first!.fromPort);
  await world.advance(heartbeatMs);
  await world.changeStore(snapshot);
  await world.advance(3 * heartbeatMs);
  const [out] = await world.send(1, Side.Inside, { ...other, tcpFlags: ACK });
  expect(out).toMatchObject({ side: Side.Outside, fromPort: first!.fromPort });
  expect(world.gateways[1]!.counters.resetsSent).toBe(0);
});

test('what only one gateway saw of a connection is told again by that one', async () => {
  const world = new World({ gateways: 2 });
  await world.advance(2 * heartbeatMs);
  const [syn] = await world.send(0, Side.Inside, tcpOut);
  const snapshot = world.store.data.clone();
  await world.send(1, Side.Inside, segment);
  await world.changeStore(snapshot);
  await world.advance(3 * heartbeatMs);
  // Now there was data in both directions: the connection is established.
  await world.send(0, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: ACK }));
  await world.advance(3 * TEST_CONFIG.timeouts.tcpTransitoryMs, 10_000);
  await world.sweep();
  expect(world.store.counts().entries).toBe(1);
});
