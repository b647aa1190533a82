/** Whoever takes over a flow asks for those that are likely to come next. */
import { parseAddress, shardOfInside, TCP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import { expect, test } from 'vitest';
import { Side } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import { performCall, type StoreReply } from './store-call.ts';
import { ACK, back, RST, SYN, SYN_ACK, segment, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, type Sent, TEST_CONFIG, World } from './testing/world.ts';

const FLOWS = 8;
/** Source ports of one shard: their flows stand on one block of outside ports. */
const PORTS = Array.from({ length: 60_000 }, (_, i) => 2_000 + i).filter((port) => {
  return shardOfInside({ domain: 0, protocol: TCP, address: parseAddress(INSIDE), port }) === 7;
});

/** Connections of gateway 0 on which both sides have spoken. */
async function connected(world: World, ports: readonly number[]): Promise<Sent[]> {
  const sent: Sent[] = [];
  for (const fromPort of ports) {
    const [syn] = await world.send(0, Side.Inside, { ...tcpOut, fromPort });
    await world.send(0, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: SYN_ACK }));
    await world.send(0, Side.Inside, { ...segment, fromPort });
    await world.send(0, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: ACK }));
    sent.push(syn!);
  }
  // So that what was seen is told.
  await world.advance(1_000, 100);
  return sent;
}

const asked = (world: World, operation: string) =>
  world.calls
    .filter((call) => call.operation === operation)
    .reduce((sum, { requests }) => sum + requests.length, 0);

async function taken(world: World, ports: readonly number[]): Promise<number[]> {
  const left: number[] = [];
  for (const fromPort of ports) {
    const [sent] = await world.send(1, Side.Inside, { ...segment, fromPort });
    if (sent !== undefined) left.push(sent.fromPort);
  }
  return left;
}

function worldWith(limits: Partial<GatewayLimits> = {}): World {
  return new World({ gateways: 2, limits });
}

test('one packet of a gateway that is gone brings the flows of its block', async () => {
  const world = worldWith();
  const ports = PORTS.slice(0, FLOWS);
  const opened = await connected(world, ports);
  const finds = asked(world, 'find');
  expect(await taken(world, ports)).toEqual(opened.map(({ fromPort }) => fromPort));
  expect(asked(world, 'find') - finds).toBe(1);
  expect(asked(world, 'list')).toBe(1);
  const { counters } = world.gateways[1]!;
  expect(counters).toMatchObject({ packetsHeld: 1, blocksListed: 1, flowsForeseen: FLOWS - 1 });
});

test('what the list brought is as good as what was asked for: the feed takes it back', async () => {
  const world = worldWith();
  const ports = PORTS.slice(0, 2);
  const [, second] = await connected(world, ports);
  await taken(world, ports.slice(0, 1));
  const [found] = await world.store.find([
    {
      direction: 'outside',
      protocol: TCP,
      outside: { address: parseAddress(second!.from), port: second!.fromPort },
      remote: null,
    },
  ]);
  if (found?.kind !== 'entry') throw new Error('it is not there');
  const { inside, binding } = found.entry;
  await world.store.close([{ inside, remote: null, ...binding, reason: 'cancel' }]);
  await world.advance(TEST_CONFIG.heartbeatMs + 500, 100);
  const [sent] = await world.send(1, Side.Outside, back(second!, { protocol: TCP, tcpFlags: ACK }));
  expect(sent).toBeUndefined();
});

test('where each direction has a way of its own nothing is asked ahead', async () => {
  const world = worldWith();
  for (const fromPort of PORTS.slice(0, FLOWS)) {
    const [syn] = await world.send(0, Side.Inside, { ...tcpOut, fromPort });
    const answer = back(syn!, { protocol: TCP, tcpFlags: SYN_ACK });
    expect(await world.send(1, Side.Outside, answer)).toHaveLength(1);
    const [query] = await world.send(0, Side.Inside, { ...udpOut, fromPort });
    expect(await world.send(1, Side.Outside, back(query!))).toHaveLength(1);
  }
  expect(asked(world, 'list')).toBe(0);
});

test('where no list is answered every flow asks for itself', async () => {
  const world = worldWith();
  world.lost.add('list');
  const ports = PORTS.slice(0, FLOWS);
  await connected(world, ports);
  expect(await taken(world, ports)).toHaveLength(FLOWS);
  expect(world.gateways[1]!.counters).toMatchObject({ packetsHeld: FLOWS, flowsForeseen: 0 });
  // Not again at once, for a block that was asked about.
  expect(asked(world, 'list')).toBe(1);
});

test('a block is asked about again later, for what it got meanwhile', async () => {
  const world = worldWith();
  await connected(world, PORTS.slice(0, 2));
  await taken(world, PORTS.slice(0, 2));
  await connected(world, PORTS.slice(2, 4));
  await taken(world, PORTS.slice(2, 4));
  expect(asked(world, 'list')).toBe(2);
  expect(world.gateways[1]!.counters).toMatchObject({ packetsHeld: 2, flowsForeseen: 2 });
});

test('rows that may never be used fill up no table, and further blocks are not asked', async () => {
  const full = worldWith({ flowsHighWater: 0 });
  const ports = PORTS.slice(0, FLOWS);
  await connected(full, ports);
  await taken(full, ports);
  expect(full.gateways[1]!.counters).toMatchObject({ blocksListed: 0, listsSkipped: FLOWS });

  const busy = worldWith({ listedBlocksMax: 1 });
  await connected(busy, [2_000, 2_001, 2_002]);
  expect(await taken(busy, [2_000, 2_001, 2_002])).toHaveLength(3);
  expect(busy.gateways[1]!.counters).toMatchObject({ blocksListed: 1, listsSkipped: 2 });
});

test('however slow the store is, no more blocks wait than are remembered', async () => {
  const world = worldWith({ listsInFlightMax: 0, listedBlocksMax: 2 });
  for (const fromPort of [2_000, 2_001, 2_002, 2_003]) {
    await connected(world, [fromPort]);
    await world.advance(2_000, 100);
    expect(await taken(world, [fromPort])).toHaveLength(1);
  }
  expect(world.gateways[1]!.gauges.listsWaiting).toBe(2);
  expect(world.gateways[1]!.counters.listsSkipped).toBe(2);
});

test('a list that comes late says nothing about what was opened since', async () => {
  const world = worldWith();
  const [port, other] = PORTS as [number, number];
  const [old] = await connected(world, [port, other]);
  const gateway = world.gateways[1]!;
  const perform = async (spec: PacketSpec): Promise<() => Promise<void>> => {
    world.inject(1, Side.Inside, spec);
    const replies: StoreReply[] = [];
    for (const call of gateway.takeCalls(world.nowMs)) {
      replies.push(await performCall(world.store, call));
    }
    return async () => {
      for (const reply of replies) gateway.reply(reply, world.nowMs);
    };
  };
  await (await perform({ ...segment, fromPort: other }))();
  const calls = gateway.takeCalls(world.nowMs);
  expect(calls.map(({ operation }) => operation)).toEqual(['list']);
  const late = await performCall(world.store, calls[0]!);
  // The connection ends with an RST, and the host opens it anew.
  await world.send(1, Side.Inside, { ...segment, fromPort: port });
  await world.advance(10, 10);
  await world.send(1, Side.Inside, { ...segment, fromPort: port, tcpFlags: RST });
  await world.advance(100, 10);
  const [syn] = await world.send(1, Side.Inside, { ...tcpOut, fromPort: port, tcpFlags: SYN });
  expect(syn!.fromPort).toBe(old!.fromPort);
  const held = gateway.counters.packetsHeld;
  gateway.reply(late, world.nowMs);
  await world.settle();
  const answer = back(syn!, { protocol: TCP, tcpFlags: SYN_ACK });
  expect(await world.send(1, Side.Outside, answer)).toHaveLength(1);
  expect(await taken(world, [port])).toEqual([syn!.fromPort]);
  expect(gateway.counters.packetsHeld).toBe(held);
});
