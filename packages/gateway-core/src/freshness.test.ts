import { blockOfPort, type Endpoint, TCP, UDP } from '@flowstore/flow';
import type { FindRequest } from '@flowstore/flow-store';
import type { PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { Freshness } from './freshness.ts';
import { INSIDE, REMOTE, type Sent, TEST_CONFIG, World } from './testing/world.ts';

const { cacheLeaseMs, heartbeatMs } = TEST_CONFIG;
const SYN = 0x02;
const ACK = 0x10;
const RST_ACK = 0x14;
const udpOut: PacketSpec = { protocol: UDP, from: INSIDE, fromPort: 5000, to: REMOTE, toPort: 53 };
const tcpOut: PacketSpec = { ...udpOut, protocol: TCP, toPort: 80, tcpFlags: SYN };

function insideOf(protocol: number): Endpoint {
  return { domain: 0, protocol, address: Uint8Array.of(198, 18, 1, 10), port: 5000 };
}

function back(sent: Sent, spec: Partial<PacketSpec> = {}): PacketSpec {
  const { to: from, toPort: fromPort, from: to, fromPort: toPort } = sent;
  return { protocol: UDP, from, fromPort, to, toPort, ...spec };
}

/** Somebody ends the binding: an operator, or another gateway. */
async function cancel(world: World, protocol: number): Promise<void> {
  const inside = insideOf(protocol);
  const [found] = await world.store.find([{ direction: 'inside', inside, remote: null }]);
  if (found?.kind !== 'entry') throw new Error('there is no binding');
  const { identity } = found.entry.binding;
  await world.store.close([{ inside, remote: null, identity, reason: 'cancel' }]);
}

/** The store forgets its feeds: a restart without them, or another server behind the address. */
function loseFeeds(world: World): void {
  const other = new World({ gateways: 0 });
  const { shards } = world.store.data;
  for (const [i, shard] of other.store.data.shards.entries()) shards[i]!.feed.copyFrom(shard.feed);
}

const operations = (world: World, from: number) =>
  world.calls.slice(from).map((call) => call.operation);

describe('while the feed is read', () => {
  test('an idle entry stays fresh: its next packet asks nobody', async () => {
    const world = new World();
    await world.send(0, Side.Inside, udpOut);
    await world.advance(4 * cacheLeaseMs);
    world.inject(0, Side.Inside, udpOut);
    expect(world.sent).toHaveLength(2);
  });

  test('freshness costs one read per shard and heartbeat, for any number of flows', async () => {
    const world = new World();
    for (let i = 0; i < 500; i++) world.inject(0, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    await world.advance(heartbeatMs);
    const before = world.calls.length;
    await world.advance(20 * heartbeatMs);
    const later = world.calls.slice(before).filter((call) => call.operation !== 'renew');
    expect(new Set(later.map((call) => call.operation))).toEqual(new Set(['feed']));
    const reads = later.reduce((sum, call) => sum + call.requests.length, 0);
    expect(reads).toBeGreaterThanOrEqual(64 * 15);
    expect(reads).toBeLessThanOrEqual(64 * 21);
  });

  test('a binding that somebody ended is not used again', async () => {
    const world = new World({ gateways: 2 });
    const [sent] = await world.send(0, Side.Inside, udpOut);
    await world.send(1, Side.Outside, back(sent!));
    await world.advance(2 * heartbeatMs);
    await cancel(world, UDP);
    await world.advance(2 * heartbeatMs);
    for (const { counters, gauges } of world.gateways) {
      expect([counters.flowsVoided, gauges.flows]).toEqual([1, 0]);
    }
    expect(await world.send(1, Side.Outside, back(sent!))).toHaveLength(0);
  });

  test('all TCP flows of an outside endpoint go with it', async () => {
    const world = new World();
    for (const toPort of [80, 81, 82]) await world.send(0, Side.Inside, { ...tcpOut, toPort });
    await world.send(0, Side.Inside, { ...tcpOut, fromPort: 6000 });
    await world.advance(2 * heartbeatMs);
    await cancel(world, TCP);
    await world.advance(2 * heartbeatMs);
    expect(world.gateways[0]!.counters.flowsVoided).toBe(3);
    expect(world.gateways[0]!.gauges.flows).toBe(1);
  });

  test('its own openings void nothing', async () => {
    const world = new World({ gateways: 2 });
    await world.advance(2 * heartbeatMs);
    for (let i = 0; i < 50; i++)
      await world.send(i % 2, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    await world.advance(2 * heartbeatMs);
    expect(world.gateways[0]!.counters.feedEvents).toBeGreaterThan(0);
    for (const { counters } of world.gateways) expect(counters.flowsVoided).toBe(0);
  });

  test('who still sees data of a connection that closes elsewhere says so at once', async () => {
    const world = new World({ gateways: 2 });
    const [syn] = await world.send(0, Side.Inside, tcpOut);
    await world.send(1, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: ACK }));
    await world.send(1, Side.Inside, { ...tcpOut, tcpFlags: ACK });
    await world.advance(2 * heartbeatMs);
    await world.send(0, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: RST_ACK }));
    await world.advance(2 * heartbeatMs);
    const before = world.calls.length;
    await world.send(1, Side.Inside, { ...tcpOut, tcpFlags: ACK });
    expect(operations(world, before)).toEqual(['touch']);
    const inside = insideOf(TCP);
    const remote = { address: Uint8Array.of(198, 51, 100, 10), port: 80 };
    const [found] = await world.store.find([{ direction: 'inside', inside, remote }]);
    expect(found).toMatchObject({ kind: 'entry', entry: { flow: { reset: false } } });
  });
});

describe('while the feed cannot be read', () => {
  test('past the cache lease nothing is forwarded unasked', async () => {
    const world = new World({ gateways: 2 });
    await world.send(0, Side.Inside, udpOut);
    await world.advance(2 * heartbeatMs);
    world.cutOff.add(0);
    await world.advance(cacheLeaseMs - heartbeatMs);
    expect(await world.send(0, Side.Inside, udpOut)).toHaveLength(1);
    await world.advance(heartbeatMs + 1_000);
    expect(await world.send(0, Side.Inside, udpOut)).toHaveLength(0);
    world.cutOff.clear();
    await world.advance(500, 50);
    expect(world.sent).toHaveLength(3);
  });

  test('a paused gateway does not translate by an entry that may be somebody else’s', async () => {
    const world = new World({ gateways: 2 });
    const [sent] = await world.send(0, Side.Inside, udpOut);
    await world.advance(2 * heartbeatMs);
    // Gateway 0 gets no time: only the clock, the store and gateway 1 go on.
    await cancel(world, UDP);
    const paused = world.gateways[0]!;
    world.gateways[0] = world.newGateway(0);
    await world.advance(TEST_CONFIG.quarantineMs + TEST_CONFIG.slack.clockSkewMs, 5_000);
    world.gateways[0] = paused;
    world.inject(0, Side.Outside, back(sent!));
    expect(world.sent).toHaveLength(1);
  });
});

describe('after a gap in the feed', () => {
  test('entries stay usable, and are confirmed in the background', async () => {
    const world = new World();
    for (let i = 0; i < 100; i++)
      await world.send(0, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    await world.advance(cacheLeaseMs + 2 * heartbeatMs);
    loseFeeds(world);
    const before = world.calls.length;
    await world.advance(2 * heartbeatMs);
    expect(world.gateways[0]!.counters.feedGaps).toBeGreaterThan(0);
    expect(operations(world, before)).toContain('find');
    const sent = world.sent.length;
    for (let i = 0; i < 100; i++) world.inject(0, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    expect(world.sent).toHaveLength(sent + 100);
    await world.advance(2 * cacheLeaseMs);
    for (let i = 0; i < 100; i++) world.inject(0, Side.Inside, { ...udpOut, fromPort: 2000 + i });
    expect(world.sent).toHaveLength(sent + 200);
  });

  test('whole blocks are confirmed at a time, those used lately first', async () => {
    const world = new World({ limits: { reconfirmInFlightMax: 4 } });
    const flow = (i: number) => ({ ...udpOut, fromPort: 2_000 + i });
    const flows = Array.from({ length: 80 }, (_, i) => i);
    const blocks = new Map<number, number>();
    for (const i of flows) {
      const [sent] = await world.send(0, Side.Inside, flow(i));
      blocks.set(2_000 + i, blockOfPort(sent!.fromPort));
    }
    // The first reads are gaps, too: what was opened before them is confirmed.
    await world.advance(2 * heartbeatMs, 100);
    await world.advance(cacheLeaseMs, heartbeatMs);
    const used = flows.filter((i) => i % 5 === 0);
    for (const i of used) await world.send(0, Side.Inside, flow(i));
    loseFeeds(world);
    const before = world.calls.length;
    // Every feed is read in one tick: the gap is everywhere at the same instant.
    await world.advance(heartbeatMs, heartbeatMs);
    await world.advance(1_000, 10);
    const calls = world.calls.slice(before).filter(({ operation }) => operation === 'find');
    const ports = calls.flatMap(({ requests }) =>
      (requests as FindRequest[]).map((one) => (one.direction === 'inside' ? one.inside.port : 0)),
    );
    expect([...ports].sort()).toEqual([...blocks.keys()].sort());
    expect(Math.max(...calls.map(({ requests }) => requests.length))).toBe(4);
    const order = ports
      .map((port) => blocks.get(port)!)
      .filter((one, i, all) => one !== all[i - 1]);
    expect(new Set(order).size, 'each block in one go').toBe(order.length);
    const usedBlocks = new Set(used.map((i) => blocks.get(2_000 + i)!));
    expect(usedBlocks.size).toBeLessThan(order.length);
    expect(new Set(order.slice(0, usedBlocks.size)), 'those used first').toEqual(usedBlocks);
  });

  test('a gap behind the walk begins it anew, with what was used', async () => {
    const world = new World({ limits: { reconfirmInFlightMax: 1 } });
    const flow = (i: number) => ({ ...udpOut, fromPort: 2_000 + i });
    for (let i = 0; i < 40; i++) await world.send(0, Side.Inside, flow(i));
    for (let gap = 0; gap < 3; gap++) {
      loseFeeds(world);
      await world.advance(heartbeatMs, 50);
    }
    // All is covered in the end: nothing is asked when it is used again.
    await world.advance(2 * cacheLeaseMs);
    const before = world.calls.length;
    for (let i = 0; i < 40; i++) world.inject(0, Side.Inside, flow(i));
    await world.settle();
    expect(operations(world, before)).not.toContain('find');
  });

  test('a question that is lost is asked again: nobody else asks about what idles', async () => {
    const world = new World();
    for (let i = 0; i < 40; i++) {
      await world.send(0, Side.Inside, { ...udpOut, fromPort: 2_000 + i });
    }
    await world.advance(2 * heartbeatMs, 100);
    loseFeeds(world);
    world.lost.add('find');
    await world.advance(2 * heartbeatMs);
    const { counters } = world.gateways[0]!;
    const before = counters.reconfirmed;
    world.lost.clear();
    await world.advance(2 * heartbeatMs);
    expect(counters.reconfirmed).toBe(before + 40);
  });

  test('an entry that was removed in the gap is gone once its turn comes', async () => {
    const world = new World();
    await world.send(0, Side.Inside, udpOut);
    await world.advance(2 * heartbeatMs);
    await cancel(world, UDP);
    loseFeeds(world);
    await world.advance(3 * heartbeatMs);
    expect(world.gateways[0]!.gauges.flows).toBe(0);
  });
});

describe('a master that was replaced, and still answers what needs no replica', () => {
  async function believer() {
    const world = new World({ config: { ...TEST_CONFIG, minReplicas: 1 } });
    await world.advance(heartbeatMs);
    await world.send(0, Side.Inside, udpOut);
    await world.advance(heartbeatMs);
    world.replicas = 0;
    return world;
  }

  test('confirms nothing: what was cached ends with the last read that replicas had', async () => {
    const world = await believer();
    await world.advance(cacheLeaseMs - 2 * heartbeatMs);
    expect(await world.send(0, Side.Inside, udpOut)).toHaveLength(1);
    await world.advance(2 * heartbeatMs);
    expect(await world.send(0, Side.Inside, udpOut)).toEqual([]);
  });

  test('opens nothing that is forwarded once no read was answered for a cache lease', async () => {
    const world = await believer();
    await world.advance(cacheLeaseMs + heartbeatMs);
    expect(await world.send(0, Side.Inside, { ...udpOut, fromPort: 5001 })).toEqual([]);
  });

  test('resets nothing: a no is told once a later read was answered', async () => {
    const world = await believer();
    const segment = { ...tcpOut, tcpFlags: ACK };
    world.inject(0, Side.Inside, segment);
    await world.advance(1_000, 10);
    expect(world.sent.filter(({ side }) => side === Side.Inside)).toEqual([]);
    world.replicas = 1;
    await world.advance(500, 10);
    const told = world.sent.filter(({ side }) => side === Side.Inside);
    expect(told).toMatchObject([{ tcpFlags: 0x04 }]);
  });

  test('is asked no more often than one that does not answer', async () => {
    const world = await believer();
    await world.advance(cacheLeaseMs + heartbeatMs);
    const before = world.calls.length;
    await world.send(0, Side.Inside, udpOut);
    await world.advance(1_000, 10);
    const finds = operations(world, before).filter((operation) => operation === 'find');
    expect(finds.length).toBeLessThanOrEqual(11);
  });

  test('once replicas are back, the packets that waited go on', async () => {
    const world = await believer();
    await world.advance(cacheLeaseMs + heartbeatMs);
    world.inject(0, Side.Inside, udpOut);
    world.replicas = 1;
    const before = world.sent.length;
    await world.advance(1_000, 10);
    expect(world.sent.length).toBe(before + 1);
  });
});

describe('the arithmetic of freshness', () => {
  test('an entry is covered only if it was confirmed after the feed began', () => {
    const freshness = new Freshness({ ...TEST_CONFIG, cacheLeaseMs: 60 });
    freshness.begin(3, 100);
    freshness.renew(3, 1_000);
    expect(freshness.isFresh(3, 100, 1_059)).toBe(true);
    expect(freshness.isFresh(3, 100, 1_060)).toBe(false);
    expect(freshness.isFresh(3, 99, 1_001)).toBe(false);
    expect(freshness.isFresh(4, 100, 1_001)).toBe(false);
  });

  test('a gap takes nothing that the last good read gave, and a late answer adds nothing', () => {
    const freshness = new Freshness({ ...TEST_CONFIG, cacheLeaseMs: 60 });
    freshness.begin(0, 100);
    freshness.renew(0, 1_000);
    freshness.begin(0, 1_010);
    expect(freshness.isFresh(0, 500, 1_059)).toBe(true);
    expect(freshness.isFresh(0, 500, 1_060)).toBe(false);
    freshness.renew(0, 1_020);
    expect(freshness.isFresh(0, 500, 1_061)).toBe(false);
    expect(freshness.isFresh(0, 1_010, 1_079)).toBe(true);
  });
});
