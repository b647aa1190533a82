/** The scenarios of docs/protocol.md: each is told, checked, and its picture compared. */
import { shardOfInside, TCP, UDP } from '@flowstore/flow';
import { buildPacket, fragmentsOf, type PacketSpec } from '@flowstore/nat/testing';
import { expect, test } from 'vitest';
import { Side } from './frame.ts';
import { pictureInDocument, picturesInDocument } from './testing/protocol-document.ts';
import { ACK, FIN_ACK, Story, SYN, SYN_ACK } from './testing/story.ts';
import { INSIDE, REMOTE, type Sent, TEST_CONFIG } from './testing/world.ts';

const { cacheLeaseMs, heartbeatMs, leaseMs, quarantineMs, timeouts } = TEST_CONFIG;
const syn: PacketSpec = {
  protocol: TCP,
  from: INSIDE,
  fromPort: 5000,
  to: REMOTE,
  toPort: 80,
  tcpFlags: SYN,
};
const data: PacketSpec = { ...syn, tcpFlags: ACK };
const datagram: PacketSpec = {
  protocol: UDP,
  from: INSIDE,
  fromPort: 5000,
  to: REMOTE,
  toPort: 53,
};
const GW1 = 0;
const GW2 = 1;

function answerTo(sent: Sent, tcpFlags?: number): PacketSpec {
  const { from, fromPort, to, toPort, bytes } = sent;
  const protocol = bytes[9]!;
  const spec = { protocol, from: to, fromPort: toPort, to: from, toPort: fromPort };
  return tcpFlags === undefined ? spec : { ...spec, tcpFlags };
}

const told: string[] = [];

/** A scenario by its name, in which nobody may be reset. */
function scenario(name: string, gateways: number, tell: (story: Story) => Promise<void>): void {
  told.push(name);
  test(name, async () => {
    const story = new Story(gateways);
    await story.unseen(() => story.world.advance(2 * heartbeatMs));
    await tell(story);
    for (const { counters } of story.world.gateways) expect(counters.resetsSent).toBe(0);
    expect(String(story.picture)).toBe(pictureInDocument(name, story.picture));
  });
}

/** An established connection, before the story begins. */
async function connected(story: Story, gateway = GW1): Promise<Sent> {
  let left: Sent | undefined;
  await story.unseen(async () => {
    [left] = await story.send(gateway, Side.Inside, syn);
    await story.send(gateway, Side.Outside, answerTo(left!, SYN_ACK));
    await story.send(gateway, Side.Inside, data);
    await story.send(gateway, Side.Outside, answerTo(left!, ACK));
    await story.world.advance(heartbeatMs);
  });
  return left!;
}

scenario('first packet', 1, async (story) => {
  const [left] = await story.send(GW1, Side.Inside, datagram);
  const [came] = await story.send(GW1, Side.Outside, answerTo(left!));
  expect(came).toMatchObject({ to: INSIDE, toPort: 5000 });
  const calls = story.world.calls.length;
  await story.send(GW1, Side.Inside, datagram);
  expect(story.world.calls).toHaveLength(calls);
});

scenario('miss', 2, async (story) => {
  let left: Sent | undefined;
  await story.unseen(async () => {
    [left] = await story.send(GW1, Side.Inside, datagram);
  });
  const [came] = await story.send(GW2, Side.Outside, answerTo(left!));
  expect(came).toMatchObject({ gateway: GW2, to: INSIDE, toPort: 5000 });
  const calls = story.world.calls.length;
  await story.send(GW2, Side.Outside, answerTo(left!));
  expect(story.world.calls).toHaveLength(calls);
});

scenario('fragments', 2, async (story) => {
  let left: Sent | undefined;
  await story.unseen(async () => {
    [left] = await story.send(GW1, Side.Inside, datagram);
    await story.send(GW2, Side.Inside, datagram);
  });
  const split = (spec: PacketSpec) =>
    fragmentsOf(buildPacket({ ...spec, payload: new Uint8Array(40), fragment: 0 }), [24]);
  const [first, later] = split(datagram);
  await story.send(GW1, Side.Inside, first!);
  await story.send(GW2, Side.Inside, later!);
  const [firstBack, laterBack] = split(answerTo(left!));
  await story.send(GW2, Side.Outside, firstBack!);
  await story.send(GW1, Side.Outside, laterBack!);
  expect(story.world.fragments).toHaveLength(4);
});

scenario('two directions', 2, async (story) => {
  const [left] = await story.send(GW1, Side.Inside, syn);
  await story.send(GW2, Side.Outside, answerTo(left!, SYN_ACK));
  await story.send(GW1, Side.Inside, data);
  await story.send(GW2, Side.Outside, answerTo(left!, ACK));
  const address = Uint8Array.of(198, 18, 1, 10);
  const inside = { domain: 0, protocol: TCP, address, port: 5000 };
  const remote = { address: Uint8Array.of(198, 51, 100, 10), port: 80 };
  const [found] = await story.world.store.find([{ direction: 'inside', inside, remote }]);
  // Neither saw both directions, and the store knows that it is established.
  const lifeMs = found!.kind === 'entry' ? found!.entry.flow!.lifeMs : 0;
  expect(lifeMs).toBeGreaterThan(timeouts.tcpEstablishedMs);
});

scenario('kill', 2, async (story) => {
  story.hidden.delete('list');
  const left = await connected(story);
  await story.send(GW1, Side.Inside, data);
  story.kill(GW1);
  const [out] = await story.send(GW2, Side.Inside, data);
  expect(out).toMatchObject({ from: left.from, fromPort: left.fromPort });
  const [came] = await story.send(GW2, Side.Outside, answerTo(left, ACK));
  expect(came).toMatchObject({ gateway: GW2, to: INSIDE, toPort: 5000 });
});

scenario('outage', 2, async (story) => {
  const left = await connected(story);
  story.world.storeIsAway = true;
  story.picture.note('store', 'away');
  await story.later(cacheLeaseMs / 2, 'half a cache lease');
  const [out] = await story.send(GW1, Side.Inside, data);
  expect(out).toMatchObject({ fromPort: left.fromPort });
  story.world.storeIsAway = false;
  story.picture.note('store', 'back');
  await story.later(2 * heartbeatMs, 'the feeds are read on, touches are sent again');
  const [later] = await story.send(GW2, Side.Inside, data);
  expect(later).toMatchObject({ gateway: GW2, fromPort: left.fromPort });
});

scenario('everybody’s outage', 2, async (story) => {
  const left = await connected(story);
  story.world.storeIsAway = true;
  story.picture.note('store', 'away');
  await story.later(2 * heartbeatMs, 'two heartbeats without an answer');
  story.hidden.add('renew').add('touch').add('find');
  story.hidden.delete('said');
  await story.world.advance(100, 50);
  story.hidden.add('said');
  await story.later(5 * cacheLeaseMs, 'asked and answered again every heartbeat, for five minutes');
  const [out] = await story.send(GW1, Side.Inside, data);
  expect(out).toMatchObject({ fromPort: left.fromPort });
  expect(story.world.gateways[GW1]!.outage).toBe('everybodys');
  // A new flow, of a shard that gw1 holds ports of.
  const fresh = { ...syn, fromPort: syn.fromPort + 1 };
  while (shardOf(fresh) !== shardOf(syn)) fresh.fromPort++;
  expect(await story.send(GW1, Side.Inside, fresh)).toHaveLength(1);
  expect(story.world.gateways[GW1]!.counters.provisionalOpened).toBe(1);
  story.world.storeIsAway = false;
  story.picture.note('store', 'back, in grace');
  story.followed = GW1;
  await story.world.advance(heartbeatMs, 50);
  expect(story.world.gateways[GW1]!.counters.provisionalKept).toBe(1);
});

scenario('one gateway is cut off', 2, async (story) => {
  await connected(story);
  story.hidden.add('renew').add('touch').add('find');
  story.world.cutOff.add(GW1);
  story.picture.note('gw1', 'cut off');
  await story.later(2 * heartbeatMs, 'two heartbeats without an answer');
  story.hidden.delete('said');
  await story.world.advance(100, 50);
  story.hidden.add('said');
  const [out] = await story.send(GW1, Side.Inside, data);
  expect(out).toBeDefined();
  await story.later(cacheLeaseMs, 'the cache lease is over');
  expect(await story.send(GW1, Side.Inside, data)).toEqual([]);
  expect(story.world.gateways[GW1]!.outage).toBe('partitioned');
});

scenario('failover', 2, async (story) => {
  const left = await connected(story);
  await story.unseen(() => story.world.changeStore());
  story.picture.note('store', 'another, empty');
  story.world.inject(GW2, Side.Inside, data);
  await story.world.settle();
  story.picture.pause('gw1 reads the feed: the shard is in grace');
  story.followed = GW1;
  await story.world.advance(heartbeatMs, 50);
  story.followed = null;
  const [out] = await story.send(GW2, Side.Inside, data);
  expect(out).toMatchObject({ gateway: GW2, fromPort: left.fromPort });
  expect(story.world.gateways[GW1]!.counters.flowsRestored).toBe(1);
});

scenario('reuse of a port', 2, async (story) => {
  const [left] = await story.send(GW1, Side.Inside, datagram);
  await story.unseen(() => story.send(GW2, Side.Outside, answerTo(left!)));
  const lifeMs = timeouts.udpMs * (4 / 3) + TEST_CONFIG.slack.outageMs;
  story.hidden.add('renew').add('release');
  await story.later(lifeMs, 'idle for a whole life');
  await story.world.advance(2 * heartbeatMs);
  await story.world.sweep();
  expect(story.world.gateways.map(({ gauges }) => gauges.flows)).toEqual([0, 0]);
  // Whoever comes back within the quarantine may have it; nobody else.
  await story.later(quarantineMs / 2, 'half a quarantine');
  const [again] = await story.send(GW2, Side.Inside, datagram);
  expect(again).toMatchObject({ gateway: GW2, to: REMOTE });
  const outside = [again!.from, again!.fromPort];
  const [came] = await story.send(GW1, Side.Outside, answerTo(again!));
  expect(came).toMatchObject({ to: INSIDE, toPort: 5000 });
  expect(outside[1]).toBeGreaterThan(1_023);
});

scenario('next incarnation', 2, async (story) => {
  const left = await connected(story);
  await story.send(GW1, Side.Inside, { ...data, tcpFlags: FIN_ACK });
  await story.send(GW2, Side.Outside, answerTo(left, FIN_ACK));
  await story.later(1_000, 'a second later the host uses its port again');
  const [again] = await story.send(GW2, Side.Inside, syn);
  expect(again).toMatchObject({ fromPort: left.fromPort, tcpFlags: SYN });
  await story.send(GW1, Side.Outside, answerTo(left, SYN_ACK));
});

scenario('dead gateway', 2, async (story) => {
  const [left] = await story.send(GW1, Side.Inside, datagram);
  story.kill(GW1);
  await story.later(leaseMs + 1, 'its lease runs out; a sweep leaves what is bound');
  const { leasesExpired, bindingsDeleted } = await story.world.store.sweep(shardOf(datagram), 64);
  expect([leasesExpired, bindingsDeleted]).toEqual([1, 0]);
  const [came] = await story.send(GW2, Side.Outside, answerTo(left!));
  expect(came).toMatchObject({ gateway: GW2, to: INSIDE, toPort: 5000 });
});

function shardOf({ protocol, from, fromPort }: PacketSpec): number {
  const address = Uint8Array.from(from.split('.').map(Number));
  return shardOfInside({ domain: 0, protocol, address, port: fromPort });
}

test('every picture of the document is one of these', () => {
  expect(picturesInDocument().toSorted()).toEqual(told.toSorted());
});
