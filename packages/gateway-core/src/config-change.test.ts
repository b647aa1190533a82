/** The configuration changes while flows go on: none ends early, and none is kept for ever. */
import { slackMs, TCP, UDP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import { expect, test } from 'vitest';
import { Side } from './frame.ts';
import { changeConfig } from './testing/change-config.ts';
import { INSIDE, REMOTE, TEST_CONFIG, World } from './testing/world.ts';

const SYN = 0x02;
const ACK = 0x10;

async function connect(world: World, port: number): Promise<number> {
  const out = { protocol: TCP, from: INSIDE, fromPort: port, to: REMOTE, toPort: 80 };
  const [syn] = await world.send(0, Side.Inside, { ...out, tcpFlags: SYN });
  const back = { protocol: TCP, from: REMOTE, fromPort: 80, to: syn!.from, toPort: syn!.fromPort };
  await world.send(0, Side.Outside, { ...back, tcpFlags: SYN | ACK });
  await world.send(0, Side.Inside, { ...out, tcpFlags: ACK });
  await world.send(0, Side.Outside, { ...back, tcpFlags: ACK });
  return syn!.fromPort;
}

const data = (port: number): PacketSpec => ({
  protocol: TCP,
  from: INSIDE,
  fromPort: port,
  to: REMOTE,
  toPort: 80,
  tcpFlags: ACK,
});

test('no flow in use ends because its report was planned by a longer timeout', async () => {
  const world = new World({ gateways: 2 });
  const fromPort = await connect(world, 2_000);
  await world.advance(1_000_000, 5_000);
  await world.send(0, Side.Inside, data(2_000));
  const touches = () => world.calls.filter(({ operation }) => operation === 'touch').length;
  const before = touches();
  const timeouts = { ...TEST_CONFIG.timeouts, tcpEstablishedMs: 300_000 };
  const next = { ...TEST_CONFIG, version: 2, timeouts };
  changeConfig(world, TEST_CONFIG, next);
  expect(world.gateways[0]!.isReplanned).toBe(false);
  await world.advance(100, 100);
  expect(world.gateways[0]!.isReplanned).toBe(true);
  expect(touches()).toBe(before + 1);
  changeConfig(world, next, null);
  await world.sweep();
  world.gateways[0] = world.newGateway(0);
  expect(await world.send(1, Side.Inside, data(2_000))).toMatchObject([{ fromPort }]);
  // And once it idles, it ends by the timeout of now.
  await world.advance(300_000 + slackMs(next.slack, 300_000) + 1_000, 1_000);
  await world.sweep();
  expect(world.store.counts().entries).toBe(0);
});

test('a flow that a shorter timeout may have ended is opened anew, not woken', async () => {
  const world = new World();
  const timeouts = { ...TEST_CONFIG.timeouts, udpMs: 30_000 };
  const next = { ...TEST_CONFIG, version: 2, timeouts };
  const udp = { protocol: UDP, from: INSIDE, fromPort: 2_000, to: REMOTE, toPort: 53 };
  await world.send(0, Side.Inside, udp);
  changeConfig(world, TEST_CONFIG, next);
  await world.advance(1_000, 100);
  changeConfig(world, next, null);
  await world.advance(30_000 + slackMs(next.slack, 30_000), 1_000);
  const before = world.calls.length;
  await world.send(0, Side.Inside, udp);
  const [first] = world.calls.slice(before).filter(({ operation }) => operation !== 'feed');
  expect(first?.operation).toBe('open');
});

test('a report that was under way when the timeout shrank is read by the longer', async () => {
  const world = new World();
  const timeouts = { ...TEST_CONFIG.timeouts, udpMs: 30_000 };
  const next = { ...TEST_CONFIG, version: 2, timeouts };
  const udp = { protocol: UDP, from: INSIDE, fromPort: 2_000, to: REMOTE, toPort: 53 };
  await world.send(0, Side.Inside, udp);
  await world.advance(101_000, 1_000);
  changeConfig(world, TEST_CONFIG, next);
  await world.advance(10_000, 1_000);
  // The touch that this packet is due leaves, and its answer comes after the change.
  world.inject(0, Side.Inside, udp);
  const gateway = world.gateways[0]!;
  const calls = gateway.takeCalls(world.nowMs);
  expect(calls.map(({ operation }) => operation)).toContain('touch');
  const touch = calls.find(({ operation }) => operation === 'touch')!;
  const results = await world.store.touch(touch.requests as never);
  changeConfig(world, next, null);
  gateway.reply({ id: touch.id, results } as never, world.nowMs);
  const before = world.calls.length;
  await world.advance(11_000, 1_000);
  await world.send(0, Side.Inside, udp);
  const later = world.calls.slice(before).map(({ operation }) => operation);
  expect(later).toContain('touch');
});

test('whom the deployment serves is served from the first step of the change on', async () => {
  const world = new World();
  const next = { ...TEST_CONFIG, version: 2, insidePrefixes: ['192.0.2.0/24'] };
  const from = (address: string) => ({
    protocol: UDP,
    from: address,
    fromPort: 2_000,
    to: REMOTE,
    toPort: 53,
  });
  expect(await world.send(0, Side.Inside, from('192.0.2.7'))).toHaveLength(0);
  changeConfig(world, TEST_CONFIG, next);
  expect(await world.send(0, Side.Inside, from('192.0.2.7'))).toHaveLength(1);
  expect(await world.send(0, Side.Inside, from(INSIDE))).toHaveLength(1);
  changeConfig(world, next, null);
  expect(await world.send(0, Side.Inside, from('192.0.2.7'))).toHaveLength(1);
  expect(await world.send(0, Side.Inside, from(INSIDE))).toHaveLength(0);
});

test('packets from outside keep a mapping from the first step on, if either has it', async () => {
  const world = new World({ gateways: 2 });
  const inboundRefresh = { ...TEST_CONFIG.inboundRefresh, udp: true };
  const next = { ...TEST_CONFIG, version: 2, inboundRefresh };
  const off = { ...next, version: 3, inboundRefresh: TEST_CONFIG.inboundRefresh };
  const udp = { protocol: UDP, from: INSIDE, fromPort: 2_000, to: REMOTE, toPort: 53 };
  const [sent] = await world.send(0, Side.Inside, udp);
  const answer = {
    protocol: UDP,
    from: REMOTE,
    fromPort: 53,
    to: sent!.from,
    toPort: sent!.fromPort,
  };
  const answersFor = async (ms: number) => {
    for (const endMs = world.nowMs + ms; world.nowMs < endMs; ) {
      await world.send(1, Side.Outside, answer);
      await world.advance(50_000, 5_000);
    }
    return (await world.send(1, Side.Outside, answer)).length;
  };
  changeConfig(world, TEST_CONFIG, next);
  expect(await answersFor(1_000_000)).toBe(1);
  changeConfig(world, next, null);
  expect(await answersFor(1_000_000)).toBe(1);
  changeConfig(world, next, off);
  expect(await answersFor(1_000_000)).toBe(1);
  changeConfig(world, off, null);
  expect(await answersFor(1_000_000)).toBe(0);
});
