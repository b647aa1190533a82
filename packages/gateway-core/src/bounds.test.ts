import { TCP, UDP } from '@flowstore/flow';
import { sumBytes } from '@flowstore/nat';
import { buildPacket, type PacketSpec } from '@flowstore/nat/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { INSIDE, REMOTE, World } from './testing/world.ts';

const udpOut: PacketSpec = { protocol: UDP, from: INSIDE, fromPort: 5000, to: REMOTE, toPort: 53 };

/** Of a flow that may live elsewhere. */
const ack: PacketSpec = { ...udpOut, protocol: TCP, tcpFlags: 16 };

async function endAll(world: World): Promise<void> {
  for (const { entries } of world.store.data.shards) {
    for (const { inside, binding } of [...entries.values()]) {
      await world.store.close([{ inside, remote: null, identity: binding, reason: 'cancel' }]);
    }
  }
}

describe('while the store is away', () => {
  test('a packet waits, and goes on when the store is back', async () => {
    const world = new World();
    world.storeIsAway = true;
    await world.send(0, Side.Inside, udpOut);
    await world.advance(500, 50);
    expect(world.sent).toHaveLength(0);
    world.storeIsAway = false;
    await world.advance(200, 50);
    expect(world.sent).toHaveLength(1);
  });

  test('a packet that waited too long is dropped and counted, and its question ends', async () => {
    const world = new World();
    world.storeIsAway = true;
    await world.send(0, Side.Inside, udpOut);
    await world.advance(5_000, 50);
    expect(world.gateways[0]!.counters.dropHoldTimeout).toBe(1);
    expect(world.gateways[0]!.gauges).toMatchObject({ questions: 0, heldBytes: 0 });
  });

  test('a known flow goes on, and what it saw is reported afterwards', async () => {
    const world = new World();
    await world.send(0, Side.Inside, udpOut);
    for (let second = 1; second <= 115; second++) {
      // Away when the touch is due, after 80 to 100 s; not for as long as the cache lease.
      world.storeIsAway = second > 70;
      await world.advance(1_000);
      await world.send(0, Side.Inside, udpOut);
    }
    expect(world.sent).toHaveLength(116);
    expect(world.gateways[0]!.counters.touchesMerged).toBe(0);
    world.storeIsAway = false;
    await world.advance(5_000);
    expect(world.gateways[0]!.counters.touchesMerged).toBe(1);
  });

  test('a call that nobody answers is given up', async () => {
    const world = new World();
    world.inject(0, Side.Inside, udpOut);
    const lost = world.gateways[0]!.takeCalls(world.nowMs);
    expect(lost).toHaveLength(1);
    world.nowMs += 5_000;
    world.gateways[0]!.tick(world.nowMs);
    expect(world.gateways[0]!.gauges.storeFailures).toBe(1);
    // The late reply is ignored.
    world.gateways[0]!.reply({ id: lost[0]!.id, results: [{ kind: 'exhausted' }] }, world.nowMs);
    expect(world.gateways[0]!.counters.dropPortsExhausted).toBe(0);
  });
});

describe('every limit has a counter', () => {
  test('a packet for which there is no room leaves no question behind', async () => {
    const world = new World({ limits: { heldBytesMax: 70, questionsMax: 4 } });
    world.storeIsAway = true;
    for (let i = 0; i < 4; i++) {
      await world.send(0, Side.Inside, { ...ack, fromPort: 5_000 + i });
    }
    expect(world.gateways[0]!.counters.dropHoldFull).toBe(3);
    await world.advance(5_000, 50);
    expect(world.gateways[0]!.gauges).toMatchObject({ questions: 0, heldBytes: 0 });
  });

  test('a flow that is found while the table is full ends its question', async () => {
    const world = new World({ gateways: 2, limits: { flowsMax: 1 } });
    await world.send(0, Side.Inside, udpOut);
    await world.send(1, Side.Inside, { ...udpOut, fromPort: 6_000 });
    const [to] = world.sent;
    const back = { protocol: UDP, from: REMOTE, fromPort: 53, to: to!.from, toPort: to!.fromPort };
    expect(await world.send(1, Side.Outside, back)).toHaveLength(0);
    await world.advance(5_000, 50);
    expect(world.gateways[1]!.counters.dropTableFull).toBe(1);
    expect(world.gateways[1]!.gauges).toMatchObject({ questions: 0, heldBytes: 0 });
  });

  test('flows above the high-water mark: said once per crossing, not once per flow', async () => {
    const world = new World({ limits: { flowsHighWater: 4 } });
    const core = world.gateways[0]!;
    const open = async (first: number, last: number) => {
      for (let i = first; i <= last; i++) {
        await world.send(0, Side.Inside, { ...udpOut, fromPort: 5_000 + i });
      }
    };
    await open(1, 4);
    expect(core.takeHighWater()).toBe(0);
    await open(5, 5);
    expect(core.takeHighWater()).toBe(5);
    expect(core.takeHighWater()).toBe(0);
    await open(6, 9);
    expect(core.takeHighWater()).toBe(0);
    expect(core.gauges).toMatchObject({ flows: 9, flowsHighWaterCrossings: 1 });
  });

  test('packets held per question', () => {
    const world = new World({ limits: { heldPerQuestionMax: 3 } });
    for (let i = 0; i < 5; i++) world.inject(0, Side.Inside, udpOut);
    expect(world.gateways[0]!.counters).toMatchObject({ packetsHeld: 3, dropHoldFull: 2 });
  });

  test('bytes held in all', () => {
    const world = new World({ limits: { heldBytesMax: 200 } });
    for (let i = 0; i < 5; i++) world.inject(0, Side.Inside, { ...ack, fromPort: 2000 + i });
    expect(world.gateways[0]!.gauges.heldBytes).toBeLessThanOrEqual(200);
    expect(world.gateways[0]!.counters.dropHoldFull).toBe(2);
  });

  test('questions at once', () => {
    // One host gets half of them.
    const world = new World({ limits: { questionsMax: 4 } });
    for (let i = 0; i < 5; i++) world.inject(0, Side.Inside, { ...ack, fromPort: 2000 + i });
    expect(world.gateways[0]!.counters.dropQuestionsFull).toBe(3);
  });

  test('requests that wait for the store', async () => {
    const world = new World({ limits: { requestsWaitingMax: 2 } });
    for (let i = 0; i < 5; i++) world.inject(0, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    expect(world.gateways[0]!.gauges.storeRefused).toBe(3);
    // Refused is not lost: they ask again.
    await world.advance(1_000, 50);
    expect(world.sent).toHaveLength(5);
  });

  test('flows in the table: beyond it new flows are refused, known ones go on', async () => {
    const world = new World({ limits: { flowsMax: 64 } });
    for (let i = 0; i < 80; i++)
      await world.send(0, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    expect(world.gateways[0]!.counters.dropTableFull).toBe(16);
    expect(await world.send(0, Side.Inside, { ...udpOut, fromPort: 2000 })).toHaveLength(1);
  });

  test('touches that wait to be repeated: beyond it the next packet reports the flow', async () => {
    const world = new World({ limits: { touchRetriesMax: 2 } });
    for (let i = 0; i < 5; i++) await world.send(0, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    await world.advance(120_000, 5_000);
    world.storeIsAway = true;
    for (let i = 0; i < 5; i++) await world.send(0, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    const core = world.gateways[0]!;
    expect(core.counters.touchRetriesDropped).toBe(3);
    expect(core.gauges.touchRetries).toBe(2);
    world.storeIsAway = false;
    await world.advance(500, 50);
    expect(core.counters.touchesMerged).toBe(2);
    for (let i = 0; i < 5; i++) await world.send(0, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    expect(core.counters.touchesMerged).toBe(5);
  });

  test('blocks of ports held: beyond it the store chooses each port', async () => {
    const world = new World({ limits: { blocksMax: 1 } });
    for (let i = 0; i < 5; i++) await world.send(0, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    const { counters, gauges } = world.gateways[0]!;
    expect(gauges.portBlocks).toBe(1);
    expect(counters.leasesRefused).toBeGreaterThan(0);
    expect(counters.dropPortsExhausted).toBe(0);
    expect(new Set(world.sent.map(({ fromPort }) => fromPort)).size).toBe(5);
  });

  test('lists of outside endpoints: at most twice the flows, however fast they go', async () => {
    const world = new World({ limits: { flowsMax: 16, endpointsPerTickMax: 1 } });
    const tcp = { ...udpOut, protocol: TCP, tcpFlags: 2 };
    for (let i = 0; i < 120; i++) {
      await world.send(0, Side.Inside, { ...tcp, fromPort: 2_000 + i });
      if (i % 8 < 7) continue;
      // Somebody ends them all, and the feed says so.
      await endAll(world);
      await world.advance(10_000, 5_000);
    }
    expect(world.gateways[0]!.counters.flowsVoided).toBeGreaterThan(90);
    expect(world.gateways[0]!.gauges.outsideEndpoints).toBeLessThanOrEqual(32);
  });

  test('flows per inside endpoint', async () => {
    const world = new World();
    const config = { ...world.store.config, flowsPerEndpointMax: 3 };
    const small = new World({ config });
    for (let i = 0; i < 5; i++) {
      await small.send(0, Side.Inside, { ...udpOut, protocol: TCP, tcpFlags: 2, toPort: 80 + i });
    }
    expect(small.sent).toHaveLength(3);
    expect(small.gateways[0]!.counters.dropFlowLimit).toBe(2);
  });
});

test('random and mutated frames never throw, and whatever leaves is an IP packet', async () => {
  const world = new World({ limits: { flowsMax: 256 }, wrongPayloadsPass: true });
  const anyMutation = fc.tuple(fc.nat(80), fc.nat(255));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(Side.Inside, Side.Outside),
      fc.constantFrom(1, TCP, UDP),
      fc.array(anyMutation, { maxLength: 8 }),
      fc.nat(80),
      async (side, protocol, mutations, length) => {
        const bytes = buildPacket({ ...udpOut, protocol, payload: new Uint8Array(30) });
        for (const [offset, value] of mutations) if (offset < bytes.length) bytes[offset] = value;
        // With a right header checksum it gets past the first check.
        const view = new DataView(bytes.buffer);
        view.setUint16(10, 0);
        view.setUint16(10, ~sumBytes(view, 0, Math.min(bytes.length, (bytes[0]! & 15) * 4)));
        await world.send(0, side, bytes.slice(0, length));
        await world.advance(10);
      },
    ),
    { numRuns: 10_000 },
  );
  const { counters, gauges } = world.gateways[0]!;
  // It got to both ends: some were refused, some went through.
  expect(counters.malformed.reduce((sum, count) => sum + count)).toBeGreaterThan(100);
  expect(counters.packetsOut).toBeGreaterThan(100);
  expect(gauges.flows).toBeLessThanOrEqual(260);
});
