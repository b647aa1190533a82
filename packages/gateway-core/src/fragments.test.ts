/**
 * Datagrams in fragments, however they come and to whichever gateway: translated as they come, in
 * their addresses, and put together again by the receiver alone.
 */
import { ICMP } from '@flowstore/flow';
import {
  buildPacket,
  fragmentOf,
  fragmentsOf,
  type PacketSpec,
  reassembled,
  sealed,
} from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { back, SYN, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, type SentFragment, TEST_CONFIG, World } from './testing/world.ts';

const OTHER = '198.18.1.11';
const PAYLOAD = Uint8Array.from({ length: 3_000 }, (_, i) => (i * 7) % 251);
const CUTS = [1_000, 2_000];

/** A datagram that is too big for one packet, whole and in three fragments. */
function big(spec: PacketSpec, identification = 0x1234) {
  const whole = buildPacket({ payload: PAYLOAD, ...spec, identification, fragment: 0 });
  return { whole, fragments: fragmentsOf(whole, CUTS) };
}

/** What a receiver makes of what left, with the sender's identification. */
function received(sent: readonly SentFragment[], identification = 0x1234): Buffer | null {
  const whole = reassembled(sent.map(({ bytes }) => bytes));
  if (whole === null) return null;
  new DataView(whole.buffer).setUint16(4, identification);
  return Buffer.from(sealed(whole));
}

function identificationOf({ bytes }: SentFragment): number {
  return (bytes[4]! << 8) | bytes[5]!;
}

/** As it has to arrive: the whole datagram with these ends, a hop less. */
function expected(spec: PacketSpec, ends: Partial<PacketSpec>): Buffer {
  return Buffer.from(big({ ...spec, ...ends, ttl: 63 }).whole);
}

async function bound(world: World, spec: PacketSpec = udpOut) {
  const [sent] = await world.send(0, Side.Inside, spec);
  return sent!;
}

describe('a datagram in fragments', () => {
  test.each([
    ['in order', [0, 1, 2]],
    ['the last in front', [2, 1, 0]],
    ['the first in the middle', [1, 0, 2]],
  ])('4787-14: from inside, %s, is translated with all of its fragments', async (_, order) => {
    const world = new World();
    const { from, fromPort } = await bound(world);
    const { fragments } = big(udpOut);
    for (const i of order) await world.send(0, Side.Inside, fragments[i]!);
    expect(received(world.fragments)).toEqual(expected(udpOut, { from, fromPort }));
    expect(world.fragments.every(({ side }) => side === Side.Outside)).toBe(true);
    expect(world.gateways[0]!.counters).toMatchObject({ fragmentsOut: 2, packetsOut: 4 });
  });

  test.each([
    ['in order', [0, 1, 2]],
    ['out of order', [2, 0, 1]],
  ])('4787-14: from outside, %s, too, and keeps its identification', async (_, order) => {
    const world = new World();
    const answer = back(await bound(world));
    const { fragments } = big(answer);
    for (const i of order) await world.send(0, Side.Outside, fragments[i]!);
    expect(received(world.fragments)).toEqual(expected(answer, { to: INSIDE, toPort: 5_000 }));
    expect(world.fragments.map(identificationOf)).toEqual([0x1234, 0x1234, 0x1234]);
  });

  test('opens its flow like any other', async () => {
    const world = new World();
    const { fragments } = big(udpOut);
    // All at once: the store is asked twice while they wait, for the flow and for the datagram.
    for (const fragment of fragments.toReversed()) world.inject(0, Side.Inside, fragment);
    await world.advance(20, 5);
    expect(world.fragments).toHaveLength(3);
    expect(received(world.fragments)).not.toBeNull();
    expect(world.gateways[0]!.counters.flowsOpened).toBe(1);
  });

  test.each([
    ['ICMP', { ...udpOut, protocol: ICMP, icmpType: 8 }],
    ['TCP', tcpOut],
  ])('may be one of %s', async (_, spec) => {
    const world = new World();
    const { from, fromPort } = await bound(world, spec as PacketSpec);
    for (const fragment of big(spec as PacketSpec).fragments) {
      await world.send(0, Side.Inside, fragment);
    }
    expect(received(world.fragments)).toEqual(expected(spec as PacketSpec, { from, fromPort }));
  });
});

describe('fragments that come to different gateways', () => {
  test.each([
    ['inside', Side.Inside],
    ['outside', Side.Outside],
  ])('4787-14: from %s: each asks for how the first one went', async (_, side) => {
    const world = new World({ gateways: 3 });
    const sent = await bound(world);
    const spec = side === Side.Inside ? udpOut : back(sent);
    const { fragments } = big(spec);
    for (const [i, fragment] of fragments.entries()) await world.send(i, side, fragment);
    const { from, fromPort } = sent;
    const ends = side === Side.Inside ? { from, fromPort } : { to: INSIDE, toPort: 5_000 };
    expect(received(world.fragments)).toEqual(expected(spec, ends));
    const asked = world.gateways.map(({ counters }) => counters.datagramsAsked);
    expect(asked).toEqual([0, 1, 1]);
  });

  test('wait for one another: the others may be there first', async () => {
    const world = new World({ gateways: 2 });
    const { from, fromPort } = await bound(world);
    const { fragments } = big(udpOut);
    world.inject(1, Side.Inside, fragments[2]!);
    world.inject(1, Side.Inside, fragments[1]!);
    await world.advance(60, 5);
    expect(world.fragments).toEqual([]);
    await world.send(0, Side.Inside, fragments[0]!);
    await world.advance(200, 5);
    expect(received(world.fragments)).toEqual(expected(udpOut, { from, fromPort }));
    // After 5, 10, 20, 40 ms..: not for each fragment, nor at each tick.
    expect(world.gateways[1]!.counters.datagramsAsked).toBeLessThan(8);
  });

  test('hairpin by both halves, whoever carries which', async () => {
    const world = new World({ gateways: 3 });
    const other = await bound(world, { ...udpOut, from: OTHER });
    const { from, fromPort } = await bound(world);
    const spec = { ...udpOut, to: other.from, toPort: other.fromPort };
    const { fragments } = big(spec);
    for (const i of [2, 0, 1]) await world.send(i, Side.Inside, fragments[i]!);
    await world.advance(50, 5);
    const ends = { from, fromPort, to: OTHER, toPort: 5_000 };
    expect(received(world.fragments)).toEqual(expected(spec, ends));
    expect(world.fragments.every(({ side }) => side === Side.Inside)).toBe(true);
  });
});

describe('7857-10: identifications', () => {
  test('of two hosts behind one address differ, though they chose the same', async () => {
    const config = { ...TEST_CONFIG, pool: ['203.0.113.1/32'] };
    const world = new World({ gateways: 2, config });
    for (let i = 0; i < 40; i++) {
      const gateway = i % 2;
      const from = `198.18.2.${i}`;
      const { fragments } = big({ ...udpOut, from });
      for (const fragment of fragments) await world.send(gateway, Side.Inside, fragment);
    }
    expect(world.fragments).toHaveLength(120);
    expect(new Set(world.fragments.map(identificationOf)).size).toBe(40);
  });

  test('of packets that may be split are given anew, of those with DF left alone', async () => {
    const world = new World();
    const mayBeSplit = { ...udpOut, fragment: 0, identification: 0x1234 };
    const sent = [];
    for (let i = 0; i < 100; i++) sent.push(...(await world.send(0, Side.Inside, mayBeSplit)));
    const numbers = sent.map(({ bytes }) => (bytes[4]! << 8) | bytes[5]!);
    expect(new Set(numbers).size).toBe(100);
    // The other half of the numbers is the store's, for what comes in fragments.
    expect(Math.max(...numbers)).toBeLessThan(0x8000);
    const [atomic] = await world.send(0, Side.Inside, { ...udpOut, identification: 0x1234 });
    expect(identificationOf(atomic!)).toBe(0x1234);
  });
});

describe('fragments that are no datagram', () => {
  test('overlapping ones change no port: they go where the first went, or nowhere', async () => {
    const world = new World();
    await bound(world, tcpOut);
    const { whole, fragments } = big({ ...tcpOut, tcpFlags: 0x10 });
    await world.send(0, Side.Inside, fragments[0]!);
    const forged = buildPacket({ ...tcpOut, toPort: 22, tcpFlags: SYN, payload: PAYLOAD });
    const named = (bytes: Uint8Array) => withIdentificationOf(bytes, whole);
    // Over the transport header: dropped. Behind it: the receiver's business.
    await world.send(0, Side.Inside, named(fragmentOf(forged, 8, 1_000)));
    await world.send(0, Side.Inside, named(fragmentOf(forged, 16, 1_000)));
    expect(world.fragments).toHaveLength(1);
    await world.send(0, Side.Inside, named(fragmentOf(forged, 24, 1_000)));
    expect(world.fragments).toHaveLength(2);
    const [first, second] = world.fragments;
    expect(second!.bytes.slice(12, 20)).toEqual(first!.bytes.slice(12, 20));
  });

  test('later ones whose first never comes wait fragmentHoldMs, and leave nothing', async () => {
    const world = new World();
    await bound(world);
    const { fragments } = big(udpOut);
    await world.send(0, Side.Inside, fragments[1]!);
    await world.send(0, Side.Outside, big(back(world.sent[0]!)).fragments[1]!);
    await world.advance(1_900, 5);
    const [gateway] = world.gateways;
    expect(gateway!.gauges.fragmentBytes).toBeGreaterThan(2_000);
    await world.advance(200, 5);
    expect(gateway!.gauges.fragmentBytes).toBe(0);
    expect(gateway!.counters.dropFragmentTimeout).toBe(2);
    expect(world.fragments).toEqual([]);
    // Two datagrams, nine questions each at most.
    expect(gateway!.counters.datagramsAsked).toBeLessThanOrEqual(18);
  });

  test('a first one of a flow that may not pass takes the others with it', async () => {
    const world = new World();
    const { from } = await bound(world);
    const { fragments } = big(back({ ...world.sent[0]!, from, fromPort: 2_000 }));
    for (const fragment of fragments) await world.send(0, Side.Outside, fragment);
    await world.advance(3_000, 50);
    expect(world.fragments).toEqual([]);
    const { counters, gauges } = world.gateways[0]!;
    expect(counters).toMatchObject({ dropNoBinding: 1, dropFragmentTimeout: 2 });
    expect(gauges).toMatchObject({ datagrams: 0, fragmentBytes: 0 });
  });

  test('what is known of a datagram is forgotten once all passed, or after 15 s', async () => {
    const world = new World();
    await bound(world);
    const { fragments } = big(udpOut);
    for (const fragment of fragments.slice(0, 2)) await world.send(0, Side.Inside, fragment);
    expect(world.gateways[0]!.gauges.datagrams).toBe(1);
    await world.advance(14_000, 1_000);
    expect(world.gateways[0]!.gauges.datagrams).toBe(1);
    await world.advance(2_000, 1_000);
    expect(world.gateways[0]!.gauges.datagrams).toBe(0);
    for (const fragment of big(udpOut, 7).fragments) await world.send(0, Side.Inside, fragment);
    expect(world.gateways[0]!.gauges.datagrams).toBe(0);
  });
});

describe('4787-14a: a flood of fragments', () => {
  const later = (from: string, identification: number) => {
    return big({ ...udpOut, from }, identification).fragments[1]!;
  };

  test('takes at most its share of what waits, and nothing from other packets', async () => {
    const limits = { fragmentBytesMax: 80_000, datagramsPerSMax: 400, questionsMax: 8 };
    const world = new World({ limits });
    await bound(world);
    for (let i = 0; i < 1_000; i++) world.inject(0, Side.Inside, later(OTHER, i));
    const { counters, gauges } = world.gateways[0]!;
    // Half of the side's half, and no more than that.
    expect(gauges.fragmentBytes).toBeLessThanOrEqual(20_000);
    expect(counters.dropFragmentsFull + counters.dropDatagramRate).toBeGreaterThan(900);
    expect(counters.dropQuestionsFull).toBe(0);
    // Neither known nor new flows feel it, nor does another host's datagram, from either side.
    expect(await world.send(0, Side.Inside, udpOut)).toHaveLength(1);
    expect(await world.send(0, Side.Inside, { ...udpOut, from: '198.18.1.12' })).toHaveLength(1);
    for (const fragment of big(udpOut).fragments) await world.send(0, Side.Inside, fragment);
    const answer = back(world.sent[0]!);
    for (const fragment of big(answer).fragments) await world.send(0, Side.Outside, fragment);
    expect(world.fragments).toHaveLength(6);
  });

  test('of one datagram holds fragmentsPerDatagramMax', async () => {
    const world = new World({ limits: { fragmentsPerDatagramMax: 4 } });
    for (let i = 0; i < 10; i++) world.inject(0, Side.Inside, later(OTHER, 1));
    const { counters } = world.gateways[0]!;
    expect(counters).toMatchObject({ fragmentsHeld: 4, dropFragmentsFull: 6 });
  });

  test('asks the store of datagramsPerSMax a second, one sender half of its side’s', async () => {
    const world = new World({ limits: { datagramsPerSMax: 40 } });
    for (let i = 0; i < 100; i++) world.inject(0, Side.Inside, later(OTHER, i));
    expect(world.gateways[0]!.counters.datagramsAsked).toBe(10);
    await world.advance(1_000, 5);
    world.inject(0, Side.Inside, later(OTHER, 500));
    expect(world.gateways[0]!.gauges.fragmentBytes).toBeGreaterThan(0);
  });

  test('lets the oldest be forgotten at datagramsMax: it is asked for again', async () => {
    const world = new World({ limits: { datagramsMax: 2 } });
    await bound(world);
    const datagrams = [1, 2, 3].map((identification) => big(udpOut, identification).fragments);
    for (const fragments of datagrams) await world.send(0, Side.Inside, fragments[0]!);
    for (const fragments of datagrams) {
      await world.send(0, Side.Inside, fragments[1]!);
      await world.send(0, Side.Inside, fragments[2]!);
    }
    expect(world.fragments).toHaveLength(9);
    await world.advance(5);
    expect(world.gateways[0]!.counters.datagramsForgotten).toBeGreaterThan(0);
  });
});

describe('while the store is away', () => {
  test('fragments of known flows pass where all come to one gateway', async () => {
    const world = new World({ gateways: 2 });
    const { from, fromPort } = await bound(world);
    const answer = back(world.sent[0]!);
    world.storeIsAway = true;
    await world.advance(30_000);
    for (const fragment of big(udpOut).fragments) await world.send(0, Side.Inside, fragment);
    expect(received(world.fragments)).toEqual(expected(udpOut, { from, fromPort }));
    world.fragments.length = 0;
    for (const fragment of big(answer).fragments) await world.send(0, Side.Outside, fragment);
    expect(received(world.fragments)).toEqual(expected(answer, { to: INSIDE, toPort: 5_000 }));
    await world.advance(3_000, 50);
    expect(world.gateways[0]!.gauges.fragmentBytes).toBe(0);
  });

  test('a question that gets lost costs no fragment', async () => {
    const world = new World();
    const { from, fromPort } = await bound(world);
    world.lost.add('fragment');
    const { fragments } = big(udpOut);
    await world.send(0, Side.Inside, fragments[1]!);
    await world.send(0, Side.Inside, fragments[0]!);
    await world.send(0, Side.Inside, fragments[2]!);
    expect(received(world.fragments)).toEqual(expected(udpOut, { from, fromPort }));
  });
});

/** The fragment as one of the other packet's datagram. */
function withIdentificationOf(fragment: Uint8Array, other: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(fragment);
  bytes.set(other.slice(4, 6), 4);
  return sealed(bytes);
}
