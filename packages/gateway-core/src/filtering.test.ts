/** RFC 4787 section 5, RFC 5382 section 4: whom from outside a binding lets in, at any gateway. */
import { type Filtering, ICMP, TCP, UDP } from '@flowstore/flow';
import { buildError, type PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { ACK, back, RST, SYN, SYN_ACK, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, REMOTE, type Sent, TEST_CONFIG, World } from './testing/world.ts';

const STRANGER = '198.51.100.20';
const OUTSIDE_LINK = 0xc6_13_65_02;

function worldWith(filtering: Partial<Record<'udp' | 'tcp', Filtering>>, gateways = 3): World {
  const config = { ...TEST_CONFIG, filtering: { ...TEST_CONFIG.filtering, ...filtering } };
  const world = new World({ gateways, config });
  for (const core of world.gateways) {
    core.setLink(Side.Outside, { address: OUTSIDE_LINK, mtuBytes: 1_500 });
  }
  return world;
}

const MODES: readonly [Filtering, string[]][] = [
  ['endpoint-independent', ['the peer', 'its other port', 'a stranger']],
  ['address-dependent', ['the peer', 'its other port']],
  ['address-and-port-dependent', ['the peer']],
];

/** Who of them comes in to the outside endpoint of what was sent, through the gateway. */
async function whoComesIn(world: World, gateway: number, sent: Sent, spec: Partial<PacketSpec>) {
  const senders = {
    'the peer': {},
    'its other port': { fromPort: 4_711 },
    'a stranger': { from: STRANGER },
  };
  const admitted: string[] = [];
  for (const [name, sender] of Object.entries(senders)) {
    const packet = back(sent, { ...spec, ...sender });
    const [received] = await world.send(gateway, Side.Outside, packet);
    if (received?.side === Side.Inside) admitted.push(name);
  }
  return admitted;
}

describe.each(MODES)('4787-8 4787-8a: %s filtering of UDP', (udp, expected) => {
  test.each([0, 2])('lets in whom it should, through gateway %d', async (gateway) => {
    const world = worldWith({ udp });
    const [sent] = await world.send(0, Side.Inside, udpOut);
    expect(await whoComesIn(world, gateway, sent!, {})).toEqual(expected);
    expect(world.gateways[gateway]!.counters.dropFiltered).toBe(3 - expected.length);
  });

  test('keeps one outside endpoint for all peers: the mapping depends on none', async () => {
    const world = worldWith({ udp });
    const outside = new Set<string>();
    for (const [gateway, toPort] of [53, 54, 55].entries()) {
      const [sent] = await world.send(gateway, Side.Inside, { ...udpOut, toPort });
      outside.add(`${sent!.from}:${sent!.fromPort}`);
    }
    expect(outside.size).toBe(1);
  });

  test('is obeyed by hairpinned packets', async () => {
    const world = worldWith({ udp });
    const other = '198.18.1.11';
    const [bound] = await world.send(0, Side.Inside, { ...udpOut, from: other });
    const [own] = await world.send(1, Side.Inside, udpOut);
    const to = { to: bound!.from, toPort: bound!.fromPort };
    const turned = await world.send(1, Side.Inside, { ...udpOut, ...to });
    expect(turned).toHaveLength(expected.includes('a stranger') ? 1 : 0);
    const there = { to: own!.from, toPort: own!.fromPort };
    await world.send(2, Side.Inside, { ...udpOut, from: other, ...there });
    // A remembered no has been forgotten by then.
    await world.advance(100, 50);
    const again = await world.send(1, Side.Inside, { ...udpOut, ...to });
    expect(again.at(-1)).toMatchObject({ side: Side.Inside, to: other, from: own!.from });
  });

  test('4787-12a: an ICMP error about what was sent comes in, whoever sends it', async () => {
    const world = worldWith({ udp });
    const [sent] = await world.send(0, Side.Inside, udpOut);
    const about = { type: 11, word: 0, keep: 0, about: sent!.bytes };
    const error = buildError({ from: '192.0.2.77', to: sent!.from, ...about });
    expect(await world.send(2, Side.Outside, error)).toMatchObject([{ to: INSIDE }]);
  });

  test('ends with the timeout of the last packet to the peer', async () => {
    const world = worldWith({ udp });
    const [sent] = await world.send(0, Side.Inside, udpOut);
    await world.advance(250_000, 10_000);
    await world.send(1, Side.Inside, { ...udpOut, to: STRANGER });
    await world.advance(300_000, 10_000);
    const [late] = await world.send(0, Side.Outside, back(sent!));
    expect(late !== undefined).toBe(expected.includes('a stranger'));
    const [known] = await world.send(0, Side.Outside, back(sent!, { from: STRANGER }));
    expect(known).toMatchObject({ to: INSIDE });
    await world.advance(600_000, 10_000);
    await world.sweep();
    expect(world.store.counts().entries).toBe(0);
  });
});

test('flows of UDP per peer are bounded by flowsPerEndpointMax', async () => {
  const filtering = { ...TEST_CONFIG.filtering, udp: 'address-and-port-dependent' } as const;
  const world = new World({ config: { ...TEST_CONFIG, filtering, flowsPerEndpointMax: 2 } });
  for (let toPort = 1; toPort <= 5; toPort++) {
    await world.send(0, Side.Inside, { ...udpOut, toPort });
  }
  expect(world.sent).toHaveLength(2);
  expect(world.gateways[0]!.counters.dropFlowLimit).toBe(3);
});

describe('5382-3: address-and-port-dependent filtering of TCP', () => {
  const tcp = 'address-and-port-dependent';

  test('drops a SYN of whom none was sent to, and says so after 6 s', async () => {
    const world = worldWith({ tcp });
    const [syn] = await world.send(0, Side.Inside, tcpOut);
    const opening = { protocol: TCP, tcpFlags: SYN };
    expect(await whoComesIn(world, 1, syn!, opening)).toEqual(['the peer']);
    expect(world.gateways[1]!.counters.dropFiltered).toBe(2);
    const before = world.sent.length;
    await world.advance(5_900, 100);
    expect(world.sent).toHaveLength(before);
    await world.advance(200, 100);
    const told = world.sent.slice(before);
    expect(told.map(({ bytes, to }) => [bytes[9], bytes[20], bytes[21], to])).toEqual([
      [ICMP, 3, 3, REMOTE],
      [ICMP, 3, 3, STRANGER],
    ]);
  });

  test('5382-2a: lets a simultaneous open through', async () => {
    const world = worldWith({ tcp });
    const [syn] = await world.send(0, Side.Inside, tcpOut);
    const spec = { protocol: TCP };
    const [theirs] = await world.send(1, Side.Outside, back(syn!, { ...spec, tcpFlags: SYN }));
    expect(theirs).toMatchObject({ to: INSIDE, tcpFlags: SYN });
    const [answer] = await world.send(2, Side.Outside, back(syn!, { ...spec, tcpFlags: SYN_ACK }));
    expect(answer).toMatchObject({ to: INSIDE, tcpFlags: SYN_ACK });
  });
});

test('5382-3: address-dependent filtering of TCP lets in any port of a known address', async () => {
  const world = worldWith({ tcp: 'address-dependent' });
  const [syn] = await world.send(0, Side.Inside, tcpOut);
  const opening = { protocol: TCP, tcpFlags: SYN };
  expect(await whoComesIn(world, 1, syn!, opening)).toEqual(['the peer', 'its other port']);
  expect(world.gateways[1]!.counters.dropFiltered).toBe(1);
  // Once nothing lives that was sent to the address, it is a stranger.
  await world.advance(900_000, 10_000);
  expect(await whoComesIn(world, 2, syn!, opening)).toEqual([]);
});

describe('what refreshes a mapping', () => {
  const keptAlive = async (udp: boolean, protocol = UDP) => {
    const inboundRefresh = { ...TEST_CONFIG.inboundRefresh, udp, icmp: udp };
    const world = new World({ gateways: 2, config: { ...TEST_CONFIG, inboundRefresh } });
    const out = { ...udpOut, protocol, ...(protocol === ICMP && { fromPort: 7, icmpType: 8 }) };
    const [sent] = await world.send(0, Side.Inside, out);
    const answer = back(sent!, { protocol, icmpType: 0 });
    for (let i = 0; i < 20; i++) {
      await world.send(1, Side.Outside, answer);
      await world.advance(50_000, 5_000);
    }
    return (await world.send(1, Side.Outside, answer)).length > 0;
  };

  test.each([UDP, ICMP])('4787-6a 7857-7: inbound packets do where they should', async (it) => {
    expect(await keptAlive(false, it)).toBe(false);
    expect(await keptAlive(true, it)).toBe(true);
  });

  test('7857-7.1: an RST and an ICMP error that answer what came in do not', async () => {
    const world = new World({ config: { ...TEST_CONFIG, inboundRefresh: NO_INBOUND } });
    const [syn] = await world.send(0, Side.Inside, tcpOut);
    const stray = back(syn!, { protocol: TCP, tcpFlags: ACK });
    for (let i = 0; i < 20; i++) {
      await world.send(0, Side.Outside, stray);
      await world.send(0, Side.Inside, { ...tcpOut, tcpFlags: RST });
      await world.advance(50_000, 5_000);
    }
    await world.sweep();
    expect(world.store.counts().entries).toBe(0);
  });
});

const NO_INBOUND = { tcp: false, udp: false, icmp: false };
