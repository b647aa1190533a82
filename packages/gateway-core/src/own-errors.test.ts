/** What the gateway itself tells senders by ICMP, and what becomes of packets that are too big. */
import { ICMP, ipv4ToNumber, parseAddress, TCP } from '@flowstore/flow';
import { buildError, buildPacket, type PacketSpec, sealed } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { DEFAULT_POLICIES } from './policies.ts';
import { back, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, REMOTE, TEST_CONFIG, World, type WorldOptions } from './testing/world.ts';

const MTU_BYTES = 1_280;
const [INSIDE_LINK, OUTSIDE_LINK] = ['198.18.101.2', '198.19.101.2'] as const;
const DONT_FRAGMENT = 0x4000;

function linked(options: WorldOptions = {}): World {
  const world = new World(options);
  for (const gateway of world.gateways) {
    const addressOf = (text: string) => ipv4ToNumber(parseAddress(text));
    gateway.setLink(Side.Inside, { address: addressOf(INSIDE_LINK), mtuBytes: 1_500 });
    gateway.setLink(Side.Outside, { address: addressOf(OUTSIDE_LINK), mtuBytes: MTU_BYTES });
  }
  return world;
}

/** The packet with other bits in the flags and the fragment offset. */
function withFragmentWord(packet: Uint8Array, word: number): Uint8Array {
  new DataView(packet.buffer).setUint16(6, word);
  return sealed(packet);
}

const big = (word: number, spec: Partial<PacketSpec> = {}) => {
  const payload = Uint8Array.from({ length: 1_400 }, (_, i) => i);
  return withFragmentWord(buildPacket({ ...udpOut, payload, ...spec }), word);
};

/** What an error says, and whether it carries the beginning of the packet. */
function read(error: Uint8Array, about: Uint8Array) {
  const view = new DataView(error.buffer);
  const text = (at: number) => error.slice(at, at + 4).join('.');
  const quoted = Buffer.from(error.slice(28));
  const kind = `${error[20]}/${error[21]}`;
  expect(error.length).toBeLessThanOrEqual(576);
  expect(quoted.equals(about.slice(0, quoted.length))).toBe(true);
  return { from: text(12), to: text(16), kind, word: view.getUint32(24), hops: error[8] };
}

describe('a packet whose hops are used up', () => {
  const dying = { ...udpOut, ttl: 1 };

  test('from inside is told by the inside address of the gateway, and opens nothing', async () => {
    const world = linked();
    const [error] = await world.send(0, Side.Inside, dying);
    expect(error!.side).toBe(Side.Inside);
    const expected = { from: INSIDE_LINK, to: INSIDE, kind: '11/0', word: 0, hops: 64 };
    expect(read(error!.bytes, buildPacket(dying))).toEqual(expected);
    expect(world.calls).toEqual([]);
    expect(world.gateways[0]!.counters.ownErrorsSent).toBe(1);
  });

  test('from outside is told by the outside address', async () => {
    const world = linked();
    const [sent] = await world.send(0, Side.Inside, udpOut);
    const answer = back(sent!, { ttl: 1 });
    const [error] = await world.send(0, Side.Outside, answer);
    const told = read(error!.bytes, buildPacket(answer));
    expect(told).toMatchObject({ from: OUTSIDE_LINK, to: REMOTE, kind: '11/0' });
  });

  test('is not told where the gateway serves neither end, or has no address', async () => {
    const world = linked();
    await world.send(0, Side.Inside, { ...dying, from: '192.0.2.1' });
    await world.send(0, Side.Outside, { ...dying, to: '192.0.2.1' });
    await new World().send(0, Side.Inside, dying);
    expect(world.sent).toEqual([]);
  });

  test('is not told when it is an ICMP error or a later fragment (RFC 1812)', async () => {
    const world = linked();
    const about = buildPacket({ ...udpOut, from: REMOTE, to: INSIDE });
    const error = buildError({
      from: INSIDE,
      to: REMOTE,
      type: 3,
      word: 0,
      about,
      keep: 0,
      ttl: 1,
    });
    await world.send(0, Side.Inside, error);
    await world.send(0, Side.Inside, withFragmentWord(buildPacket(dying), 5));
    expect(world.sent).toEqual([]);
    await world.send(0, Side.Inside, withFragmentWord(buildPacket(dying), 0x2000));
    expect(world.gateways[0]!.counters.ownErrorsSent).toBe(1);
  });

  test('is told of ownErrorsPerSMax times a second, and counted beyond that', async () => {
    const world = linked({ limits: { ownErrorsPerSMax: 3 } });
    for (let i = 0; i < 10; i++) await world.send(0, Side.Inside, dying);
    expect(world.sent).toHaveLength(3);
    expect(world.gateways[0]!.counters.ownErrorsWithheld).toBe(7);
    await world.advance(1_000);
    await world.send(0, Side.Inside, dying);
    expect(world.sent).toHaveLength(4);
  });

  test('5508-9: is not told of where the policy suppresses that', async () => {
    const world = linked({ policies: { ...DEFAULT_POLICIES, ownErrors: 'suppress' } });
    expect(await world.send(0, Side.Inside, dying)).toEqual([]);
  });
});

describe('a packet that is too big for the next link', () => {
  test('4787-13: with DF is answered by the MTU, and opens no other way out', async () => {
    const world = linked();
    await world.send(0, Side.Inside, udpOut);
    const packet = big(DONT_FRAGMENT);
    const [error, ...others] = await world.send(0, Side.Inside, packet);
    expect(others).toEqual([]);
    const expected = { from: INSIDE_LINK, to: INSIDE, kind: '3/4', word: MTU_BYTES, hops: 64 };
    expect(read(error!.bytes, packet)).toEqual(expected);
    expect(world.gateways[0]!.counters.dropTooBig).toBe(1);
  });

  test.each([[false], [true]])(
    '4787-13a: without DF leaves in fragments, in order (checksum left to a device: %s)',
    async (partialChecksum) => {
      const world = linked();
      const [sent] = await world.send(0, Side.Inside, udpOut);
      const packet = big(0, { partialChecksum });
      world.inject(0, Side.Inside, packet, partialChecksum);
      const fragments = world.fragments.map(({ bytes }) => bytes);
      expect(fragments.map(({ length }) => length <= MTU_BYTES)).toEqual([true, true]);
      const words = fragments.map((one) => new DataView(one.buffer).getUint16(6));
      expect(words).toEqual([0x2000, 1_256 / 8]);
      // Put together again, it is the packet as it would have left whole.
      const whole = Buffer.concat([
        buildPacket({ ...udpOut, from: sent!.from, fromPort: sent!.fromPort, ttl: 63 }).slice(
          0,
          20,
        ),
        ...fragments.map((one) => one.slice(20)),
      ]);
      const payload = Uint8Array.from({ length: 1_400 }, (_, i) => i);
      const { from, fromPort } = sent!;
      const expected = buildPacket({ ...udpOut, from, fromPort, ttl: 63, payload });
      expect(whole.subarray(20).equals(expected.slice(20))).toBe(true);
      expect(world.gateways[0]!.counters.packetsSplit).toBe(1);
    },
  );

  test('passes whole when a device cuts it into segments that fit', async () => {
    const world = linked();
    const [syn] = await world.send(0, Side.Inside, tcpOut);
    expect(syn).toBeDefined();
    const data = big(DONT_FRAGMENT, { ...tcpOut, tcpFlags: 0x10 });
    world.inject(0, Side.Inside, data, false, 1_000);
    expect(world.sent).toHaveLength(2);
    world.inject(0, Side.Inside, big(DONT_FRAGMENT, { ...tcpOut, tcpFlags: 0x10 }), false, 1_300);
    expect(world.gateways[0]!.counters).toMatchObject({ dropTooBig: 1, ownErrorsSent: 1 });
  });
});

describe('a new session for which there is no room', () => {
  test('6888-11a 6888-11b: no port left is told by 3/1, and the packet dropped', async () => {
    const config = { ...TEST_CONFIG, pool: ['203.0.113.1/32'] };
    const world = linked({ config, limits: { proposalsMax: 0 } });
    const [error] = await world.send(0, Side.Inside, udpOut);
    const told = read(error!.bytes, buildPacket(udpOut));
    expect(told).toMatchObject({ from: INSIDE_LINK, to: INSIDE, kind: '3/1' });
    expect(world.gateways[0]!.counters.dropPortsExhausted).toBe(1);
  });

  test('5508-8: a limit that was reached is told by 3/13', async () => {
    const config = { ...TEST_CONFIG, bindingsPerSubscriberMax: 1 };
    const world = linked({ config, limits: { bindingsPerCountMax: 1 } });
    const ping = { ...udpOut, protocol: ICMP, icmpType: 8, fromPort: 1 };
    await world.send(0, Side.Inside, ping);
    const [error] = await world.send(0, Side.Inside, { ...ping, fromPort: 2 });
    const told = read(error!.bytes, buildPacket({ ...ping, fromPort: 2 }));
    expect(told).toMatchObject({ from: INSIDE_LINK, to: INSIDE, kind: '3/13' });
    const syn = { ...tcpOut, protocol: TCP, fromPort: 3 };
    const flows = linked({ config: { ...TEST_CONFIG, flowsPerEndpointMax: 1 } });
    await flows.send(0, Side.Inside, syn);
    const [full] = await flows.send(0, Side.Inside, { ...syn, toPort: 81 });
    expect(read(full!.bytes, buildPacket({ ...syn, toPort: 81 })).kind).toBe('3/13');
  });
});
