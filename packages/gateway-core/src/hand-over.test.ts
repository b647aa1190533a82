import { shardOfInside, UDP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { newFrame, Side } from './frame.ts';
import { decodePeerMessage, encodePeerMessage, type PeerMessage } from './peer-message.ts';
import { INSIDE, nameOf, REMOTE, type Sent, TEST_CONFIG, World } from './testing/world.ts';

const { heartbeatMs } = TEST_CONFIG;
const udpOut: PacketSpec = { protocol: UDP, from: INSIDE, fromPort: 5000, to: REMOTE, toPort: 53 };

function back({ to: from, toPort: fromPort, from: to, fromPort: toPort }: Sent): PacketSpec {
  return { protocol: UDP, from, fromPort, to, toPort };
}

/** Three gateways; gateway 0 alone knows the flow, opened before the store went away. */
async function cutOff(limits = {}): Promise<{ world: World; sent: Sent }> {
  const world = new World({ gateways: 3, limits });
  await world.advance(2 * heartbeatMs);
  const [sent] = await world.send(0, Side.Inside, udpOut);
  await world.advance(2 * heartbeatMs);
  world.storeIsAway = true;
  await world.advance(3 * heartbeatMs);
  return { world, sent: sent! };
}

const toNumber = (address: string) => Buffer.from(address.split('.').map(Number)).readUInt32BE();
const counted = (world: World) => world.gateways.map(({ counters }) => counters);

describe('while the store is away', () => {
  test('a packet for another gateway’s flow is translated by that one', async () => {
    const { world, sent } = await cutOff();
    const came = await world.send(1, Side.Outside, back(sent));
    expect(came).toMatchObject([{ gateway: 0, side: Side.Inside, to: INSIDE, toPort: 5000 }]);
    expect(counted(world)).toMatchObject([
      { handOversReceived: 1, dropHandedOver: 0 },
      { handOversSent: 1, packetsHeld: 0 },
      { handOversReceived: 1, dropHandedOver: 1 },
    ]);
  });

  test('once its holder is known, it alone gets the packets', async () => {
    const { world, sent } = await cutOff();
    await world.send(1, Side.Outside, back(sent));
    await world.send(1, Side.Outside, back(sent));
    expect(counted(world).map((one) => one.handOversReceived)).toEqual([2, 0, 1]);
  });

  test('a packet of a provisional flow finds it, too', async () => {
    const { world } = await cutOff();
    const address = Uint8Array.of(198, 18, 1, 10);
    const shardOf = (port: number) => shardOfInside({ domain: 0, protocol: UDP, address, port });
    let fromPort = 6_000;
    while (shardOf(fromPort) !== shardOf(5_000)) fromPort++;
    const [sent] = await world.send(0, Side.Inside, { ...udpOut, fromPort });
    expect(world.gateways[0]!.counters.provisionalOpened).toBe(1);
    const came = await world.send(2, Side.Outside, back(sent!));
    expect(came).toMatchObject([{ gateway: 0, to: INSIDE, toPort: fromPort }]);
  });

  test('who has the row is the holder, whoever holds the lease of its port by now', async () => {
    const { world, sent } = await cutOff();
    const [protocol, address, port] = [UDP, toNumber(sent.from), sent.fromPort];
    const endpoint = { kind: 'mine', protocol, address, port } as const;
    // Before and after the one that has it.
    world.gateways[1]!.peerMessage(nameOf(2), { ...endpoint, hasRow: false }, world.nowMs);
    world.gateways[1]!.peerMessage(nameOf(0), { ...endpoint, hasRow: true }, world.nowMs);
    world.gateways[1]!.peerMessage(nameOf(2), { ...endpoint, hasRow: false }, world.nowMs);
    const came = await world.send(1, Side.Outside, back(sent));
    expect(came).toMatchObject([{ gateway: 0, side: Side.Inside, toPort: 5000 }]);
    expect(counted(world)[2]).toMatchObject({ handOversReceived: 0 });
  });

  test('a holder that has the row no longer, or is silent, is forgotten', async () => {
    const { world, sent } = await cutOff();
    const [protocol, address, port] = [UDP, toNumber(sent.from), sent.fromPort];
    const mine = { kind: 'mine', protocol, address, port } as const;
    const former = (hasRow: boolean) =>
      world.gateways[1]!.peerMessage(nameOf(2), { ...mine, hasRow }, world.nowMs);
    former(true);
    former(false);
    expect(await world.send(1, Side.Outside, back(sent))).toHaveLength(1);
    former(true);
    expect(await world.send(1, Side.Outside, back(sent))).toHaveLength(0);
    world.nowMs += 300;
    expect(await world.send(1, Side.Outside, back(sent))).toHaveLength(1);
  });

  test('a port of which nothing is known says nothing of its block’s others', async () => {
    const { world, sent } = await cutOff();
    const address = toNumber(sent.from);
    const other = { kind: 'mine', protocol: UDP, address, port: sent.fromPort ^ 1 } as const;
    world.gateways[1]!.peerMessage(nameOf(2), { ...other, hasRow: false }, world.nowMs);
    const came = await world.send(1, Side.Outside, back(sent));
    expect(came).toMatchObject([{ gateway: 0, toPort: 5000 }]);
  });

  test('what nobody knows goes one hop, and is dropped there', async () => {
    const { world, sent } = await cutOff();
    const nobodys = { ...back(sent), toPort: sent.fromPort ^ 1 };
    expect(await world.send(1, Side.Outside, nobodys)).toEqual([]);
    await world.advance(3 * heartbeatMs);
    expect(counted(world).map((one) => one.handOversSent)).toEqual([0, 1, 0]);
    expect(counted(world).map((one) => one.dropHandedOver)).toEqual([1, 0, 1]);
    // The holder of the lease said so: the others are spared.
    await world.send(1, Side.Outside, nobodys);
    expect(counted(world).map((one) => one.dropHandedOver)).toEqual([2, 0, 1]);
  });

  test('no more of them than the limit, nor larger ones, are handed over', async () => {
    const { world, sent } = await cutOff({ handOversMax: 4 });
    for (let i = 0; i < 5; i++) world.inject(1, Side.Outside, back(sent));
    // Two peers each, as long as nobody answered.
    expect(counted(world)[1]).toMatchObject({ handOversSent: 2, handOversDropped: 3 });
    const other = await cutOff({ handOverBytesMax: 40 });
    other.world.inject(1, Side.Outside, back(other.sent));
    expect(counted(other.world)[1]).toMatchObject({ handOversSent: 0, handOversDropped: 1 });
  });

  test('so many holders are remembered, and no more', async () => {
    const { world, sent } = await cutOff({ holdersMax: 1 });
    await world.send(1, Side.Outside, back(sent));
    const mine: PeerMessage = { kind: 'mine', protocol: UDP, address: 1, port: 1, hasRow: true };
    world.gateways[1]!.peerMessage(nameOf(2), mine, world.nowMs);
    await world.send(1, Side.Outside, back(sent));
    expect(counted(world).map((one) => one.handOversReceived)).toEqual([2, 0, 2]);
  });

  test('a frame that is none does no harm', async () => {
    const { world } = await cutOff();
    for (const length of [0, 10, 24, 43]) {
      const frame = newFrame(length).bytes;
      world.gateways[0]!.peerMessage(nameOf(1), { kind: 'packet', frame }, world.nowMs);
    }
    expect(world.gateways[0]!.counters.handOversReceived).toBe(0);
  });
});

test('while the store can be asked, it is asked', async () => {
  const world = new World({ gateways: 2 });
  const [sent] = await world.send(0, Side.Inside, udpOut);
  const came = await world.send(1, Side.Outside, back(sent!));
  expect(came).toMatchObject([{ gateway: 1, to: INSIDE }]);
  expect(counted(world)[1]).toMatchObject({ handOversSent: 0, foundInStore: 1 });
});

test('messages are read as they were written, and nothing else is', () => {
  const messages: PeerMessage[] = [
    { kind: 'ask', round: 0xffff_ffff },
    { kind: 'contact', round: 1, heardAgeMs: null },
    { kind: 'contact', round: 0, heardAgeMs: 4_000_000_000 },
    { kind: 'packet', frame: Uint8Array.of(1, 2, 3) },
    { kind: 'mine', protocol: 17, address: 0xcb007101, port: 64_511, hasRow: true },
  ];
  for (const message of messages) {
    const bytes = encodePeerMessage(message);
    expect(decodePeerMessage(bytes)).toEqual(message);
    if (message.kind !== 'packet') expect(decodePeerMessage(bytes.subarray(1))).toBeNull();
    expect(decodePeerMessage(Uint8Array.of(2, ...bytes.subarray(1)))).toBeNull();
  }
  expect(decodePeerMessage(Uint8Array.of(1, 5))).toBeNull();
  expect(decodePeerMessage(new Uint8Array(0))).toBeNull();
});
