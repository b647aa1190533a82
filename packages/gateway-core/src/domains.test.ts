/** Two inside networks with the same addresses, a device each: nothing mixes. */
import { ICMP, TCP } from '@flowstore/flow';
import { buildError, buildPacket, fragmentsOf } from '@flowstore/nat/testing';
import { expect, test } from 'vitest';
import { Side } from './frame.ts';
import { ACK, back, RST, SYN_ACK, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, REMOTE, type Sent, TEST_CONFIG, World } from './testing/world.ts';

const DOMAIN = 7;
const CONFIG = {
  ...TEST_CONFIG,
  domains: [{ domain: DOMAIN, insidePrefixes: ['198.18.1.0/24'] }],
  portForwards: [0, DOMAIN].map((domain) => ({
    protocol: 'tcp' as const,
    outside: `203.0.113.1:${domain + 80}`,
    inside: `${INSIDE}:22`,
    domain,
  })),
  noNat: [{ destination: '192.0.2.128/25', domain: DOMAIN }],
};

async function from(world: World, domain: number, gateway: number, spec: object): Promise<Sent[]> {
  world.domain = domain;
  const sent = await world.send(gateway, Side.Inside, { ...udpOut, ...spec });
  world.domain = 0;
  return sent;
}

test('one inside endpoint has a binding in each, and answers find the right device', async () => {
  const world = new World({ gateways: 2, config: CONFIG });
  const [a] = await from(world, 0, 0, {});
  const [b] = await from(world, DOMAIN, 0, {});
  expect([a!.from, a!.fromPort]).not.toEqual([b!.from, b!.fromPort]);
  for (const gateway of [0, 1]) {
    const answers = [
      ...(await world.send(gateway, Side.Outside, back(a!))),
      ...(await world.send(gateway, Side.Outside, back(b!))),
    ];
    expect(answers).toMatchObject([
      { domain: 0, to: INSIDE, toPort: 5_000 },
      { domain: DOMAIN, to: INSIDE, toPort: 5_000 },
    ]);
  }
  expect(await from(world, DOMAIN, 1, {})).toMatchObject([
    { from: b!.from, fromPort: b!.fromPort },
  ]);
});

test('questions about both at once are two questions', async () => {
  const world = new World({ config: CONFIG });
  for (const domain of [0, DOMAIN]) {
    world.domain = domain;
    world.inject(0, Side.Inside, tcpOut);
  }
  await world.settle();
  expect(world.sent).toHaveLength(2);
  const [a, b] = world.sent;
  expect(a).not.toEqual(b);
  const answer = { protocol: TCP, tcpFlags: SYN_ACK };
  expect(await world.send(0, Side.Outside, back(b!, answer))).toMatchObject([{ domain: DOMAIN }]);
  expect(await world.send(0, Side.Outside, back(a!, answer))).toMatchObject([{ domain: 0 }]);
});

test('whom a domain does not serve is dropped there, though another one does', async () => {
  const world = new World({ config: CONFIG });
  expect(await from(world, DOMAIN, 0, { from: '198.18.2.1' })).toEqual([]);
  expect(await from(world, 9, 0, {})).toEqual([]);
  expect(await from(world, 0, 0, { from: '198.18.2.1' })).toHaveLength(1);
  expect(world.gateways[0]!.counters.dropNotInside).toBe(2);
});

test('what the gateway says itself goes to the device that it is about', async () => {
  const world = new World({ config: CONFIG });
  const [gateway] = world.gateways;
  gateway!.setLink(Side.Inside, { address: 0xc6120102, mtuBytes: 1_500 }, DOMAIN);
  const reset = await from(world, DOMAIN, 0, { ...tcpOut, tcpFlags: ACK });
  expect(reset).toMatchObject([{ domain: DOMAIN, to: INSIDE, tcpFlags: RST }]);
  const [expired] = await from(world, DOMAIN, 0, { ttl: 1 });
  expect(expired).toMatchObject({ domain: DOMAIN, to: INSIDE });
});

test('ICMP errors and fragments find it, too, at a gateway that knows neither', async () => {
  const world = new World({ gateways: 2, config: CONFIG });
  await from(world, 0, 0, {});
  const [out] = await from(world, DOMAIN, 0, {});
  const error = { from: REMOTE, to: out!.from, type: 3, code: 3, word: 0, keep: 0 };
  const [told] = await world.send(1, Side.Outside, buildError({ ...error, about: out!.bytes }));
  expect(told).toMatchObject({ domain: DOMAIN, to: INSIDE });
  const payload = new Uint8Array(2_000);
  const whole = buildPacket({ ...back(out!), payload, identification: 9, fragment: 0 });
  const [first, later] = fragmentsOf(whole, [1_000]);
  await world.send(0, Side.Outside, first!);
  await world.send(1, Side.Outside, later!);
  await world.advance(50, 5);
  expect(world.fragments.map(({ domain }) => domain)).toEqual([DOMAIN, DOMAIN]);
});

test('rules are of their domain', async () => {
  const world = new World({ config: CONFIG });
  const syn = { ...tcpOut, from: REMOTE, to: '203.0.113.1' };
  for (const domain of [0, DOMAIN]) {
    const [arrived] = await world.send(0, Side.Outside, { ...syn, toPort: domain + 80 });
    expect(arrived).toMatchObject({ domain, to: INSIDE, toPort: 22 });
    const [reply] = await from(world, domain, 0, { ...tcpOut, fromPort: 22, tcpFlags: SYN_ACK });
    expect(reply).toMatchObject({ from: '203.0.113.1', fromPort: domain + 80 });
  }
  const direct = '192.0.2.200';
  expect(await from(world, DOMAIN, 0, { to: direct })).toMatchObject([{ from: INSIDE }]);
  expect((await from(world, 0, 0, { to: direct }))[0]!.from).toMatch(/^203\./);
  const answer = { ...udpOut, from: direct, to: INSIDE };
  expect(await world.send(0, Side.Outside, answer)).toMatchObject([{ domain: DOMAIN, to: INSIDE }]);
});

test('by outside endpoints a host of one domain reaches one of the other', async () => {
  const world = new World({ config: CONFIG });
  const [other] = await from(world, DOMAIN, 0, {});
  const [there] = await from(world, 0, 0, {
    fromPort: 9,
    to: other!.from,
    toPort: other!.fromPort,
  });
  expect(there).toMatchObject({ side: Side.Inside, domain: DOMAIN, to: INSIDE, toPort: 5_000 });
  const reply = { from: INSIDE, fromPort: 5_000, to: there!.from, toPort: there!.fromPort };
  expect(await from(world, DOMAIN, 0, reply)).toMatchObject([{ domain: 0, to: INSIDE, toPort: 9 }]);
  const ping = { protocol: ICMP, icmpType: 8, fromPort: 3, toPort: 3 };
  const [pinged] = await from(world, DOMAIN, 0, ping);
  expect(pinged!.side).toBe(Side.Outside);
});
