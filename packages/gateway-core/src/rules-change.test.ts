/** Rules change while flows go on: what they still allow is untouched, the rest is cancelled. */
import { type ClusterConfig, TCP } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { Side } from './frame.ts';
import { changeConfig } from './testing/change-config.ts';
import { ACK, back, RST, SYN, SYN_ACK, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, REMOTE, type Sent, TEST_CONFIG, World } from './testing/world.ts';

const OTHER = '198.18.1.11';
const NEXT = { ...TEST_CONFIG, version: 2 };

const change = (world: World, next: Partial<ClusterConfig>) => {
  const config = { ...NEXT, ...next };
  changeConfig(world, TEST_CONFIG, config);
  return config;
};

async function hold(world: World, config: ClusterConfig): Promise<void> {
  changeConfig(world, config, null);
  await world.advance(200, 20);
}

async function connect(world: World, gateway: number, port = 5_000): Promise<Sent> {
  const [syn] = await world.send(gateway, Side.Inside, { ...tcpOut, fromPort: port });
  await world.send(gateway, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: SYN_ACK }));
  await world.send(gateway, Side.Inside, { ...tcpOut, fromPort: port, tcpFlags: ACK });
  return syn!;
}

const entries = (world: World) => world.store.counts().entries;

test('a forward that takes an outside port cancels its binding, and no other', async () => {
  const world = new World({ gateways: 2 });
  const taken = await connect(world, 0);
  const kept = await connect(world, 0, 6_000);
  const [udp] = await world.send(1, Side.Inside, udpOut);
  const outside = `${taken.from}:${taken.fromPort}`;
  const rule = { protocol: 'tcp' as const, outside, inside: '198.18.1.99:22', domain: 0 };
  const next = change(world, { portForwards: [rule] });
  await world.advance(200, 20);
  expect(entries(world)).toBe(3);
  await hold(world, next);
  expect(entries(world)).toBe(2);
  const syn = { ...tcpOut, from: REMOTE, fromPort: 9, to: taken.from, toPort: taken.fromPort };
  for (const gateway of [0, 1]) {
    expect(await world.send(gateway, Side.Outside, syn)).toMatchObject([
      { to: '198.18.1.99', toPort: 22 },
    ]);
    const goesOn = back(kept, { protocol: TCP, tcpFlags: ACK });
    expect(await world.send(gateway, Side.Outside, goesOn)).toMatchObject([
      { to: INSIDE, toPort: 6_000 },
    ]);
    expect(await world.send(gateway, Side.Outside, back(udp!))).toHaveLength(1);
  }
  const dead = { ...tcpOut, tcpFlags: ACK };
  expect(await world.send(1, Side.Inside, dead)).toMatchObject([{ to: INSIDE, tcpFlags: RST }]);
});

test('what only the store knows of a forbidden flow is cancelled once it is used', async () => {
  const world = new World({ gateways: 2 });
  await connect(world, 0);
  const [udp] = await world.send(0, Side.Inside, udpOut);
  // Nobody who lives holds them.
  world.gateways[0] = world.newGateway(0);
  const pool = ['203.0.113.128/28'];
  await hold(world, change(world, { pool }));
  expect(entries(world)).toBe(2);
  expect(await world.send(1, Side.Outside, back(udp!))).toEqual([]);
  const [reset] = await world.send(1, Side.Inside, { ...tcpOut, tcpFlags: ACK });
  expect(reset).toMatchObject({ to: INSIDE, tcpFlags: RST });
  expect(entries(world)).toBe(1);
  const before = world.sent.length;
  await world.send(1, Side.Inside, udpOut);
  await world.advance(1_000, 20);
  const anew = world.sent[before];
  expect(anew!.from).toMatch(/^203\.0\.113\.1[234]/);
});

test('a pool that grows moves no flow, and its new addresses are used once it holds', async () => {
  const world = new World({ gateways: 2, config: { ...TEST_CONFIG, pool: ['203.0.113.0/32'] } });
  const from = { ...TEST_CONFIG, pool: ['203.0.113.0/32'] };
  const flow = await connect(world, 0);
  const next = { ...from, version: 2, pool: ['203.0.113.0-203.0.113.9'] };
  changeConfig(world, from, next);
  const [both] = await world.send(0, Side.Inside, { ...udpOut, from: OTHER, fromPort: 1 });
  expect(both!.from).toBe('203.0.113.0');
  await hold(world, next);
  expect(await world.send(1, Side.Inside, { ...tcpOut, tcpFlags: ACK })).toMatchObject([
    { from: flow.from, fromPort: flow.fromPort },
  ]);
  const addresses = new Set<string>();
  for (let i = 0; i < 40; i++) {
    const [sent] = await world.send(i & 1, Side.Inside, { ...udpOut, from: `198.18.7.${i}` });
    addresses.add(sent!.from);
    expect(await world.send(1 - (i & 1), Side.Outside, back(sent!))).toHaveLength(1);
  }
  expect(addresses.size).toBeGreaterThan(6);
});

test('between two versions the rules of both work at whoever goes by both', async () => {
  const old = { protocol: 'udp' as const, outside: '203.0.113.5:53', inside: `${INSIDE}:53` };
  const config = { ...TEST_CONFIG, portForwards: [{ ...old, domain: 0 }] };
  const world = new World({ gateways: 2, config });
  const portForwards = [{ ...old, outside: '203.0.113.6:53', inside: `${OTHER}:53`, domain: 0 }];
  const next = { ...NEXT, portForwards };
  const query = (to: string) => ({ ...udpOut, from: REMOTE, to, toPort: 53 });
  const answered = async (to: string) =>
    (await world.send(0, Side.Outside, query(to))).map((sent) => sent.to);
  expect(await answered('203.0.113.6')).toEqual([]);
  changeConfig(world, config, next);
  expect(await answered('203.0.113.5')).toEqual([INSIDE]);
  expect(await answered('203.0.113.6')).toEqual([OTHER]);
  await hold(world, next);
  expect(await answered('203.0.113.5')).toEqual([]);
  expect(await answered('203.0.113.6')).toEqual([OTHER]);
});

test('whom the deployment serves no more has its flows cancelled', async () => {
  const world = new World();
  await connect(world, 0);
  await world.send(0, Side.Inside, { ...udpOut, from: '198.18.2.1' });
  await hold(world, change(world, { insidePrefixes: ['198.18.2.0/24'] }));
  expect(entries(world)).toBe(1);
  expect(world.gateways[0]!.counters.flowsCancelled).toBe(1);
});

test('a destination that needs no NAT any more loses its connections', async () => {
  const world = new World();
  await connect(world, 0);
  const [udp] = await world.send(0, Side.Inside, udpOut);
  const noNat = [{ destination: `${REMOTE}/32`, domain: 0 }];
  await hold(world, change(world, { noNat }));
  expect(entries(world)).toBe(1);
  const [out] = await world.send(0, Side.Inside, udpOut);
  expect(out!.from).toBe(INSIDE);
  expect(udp!.from).not.toBe(INSIDE);
});

test('a stricter filtering of TCP leaves connections alone, and lets nobody new in', async () => {
  const world = new World({ gateways: 2 });
  const flow = await connect(world, 0);
  const from = (spec: object) => back(flow, { protocol: TCP, ...spec });
  const knock = { from: '198.51.100.20', tcpFlags: SYN };
  expect(await world.send(1, Side.Outside, from(knock))).toMatchObject([{ to: INSIDE }]);
  const filtering = { ...TEST_CONFIG.filtering, tcp: 'address-and-port-dependent' as const };
  await hold(world, change(world, { filtering }));
  for (const gateway of [0, 1]) {
    const goesOn = from({ tcpFlags: ACK });
    expect(await world.send(gateway, Side.Outside, goesOn)).toMatchObject([{ to: INSIDE }]);
    const stranger = from({ ...knock, fromPort: 7_000 + gateway });
    expect(await world.send(gateway, Side.Outside, stranger)).toEqual([]);
  }
});
