/** Port forwards, one-to-one addresses and destinations without NAT: by configuration alone. */
import { ICMP, TCP, UDP } from '@flowstore/flow';
import { sumBytes } from '@flowstore/nat';
import {
  buildError,
  buildPacket,
  fragmentsOf,
  type PacketSpec,
  reassembled,
} from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { IP_OFFSET, newFrame, Side, Verdict } from './frame.ts';
import { ACK, back, SYN, SYN_ACK, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, REMOTE, TEST_CONFIG, World } from './testing/world.ts';

const OTHER = '198.18.1.11';
const HOST = '198.18.2.9';
const RULES = {
  ...TEST_CONFIG,
  portForwards: [
    {
      protocol: 'tcp' as const,
      outside: '203.0.113.5:80-89',
      inside: `${INSIDE}:8080-8089`,
      domain: 0,
    },
    { protocol: 'udp' as const, outside: '192.0.2.1:53', inside: `${INSIDE}:53`, domain: 0 },
  ],
  oneToOne: [{ outside: '203.0.113.7/32', inside: `${HOST}/32`, domain: 0 }],
  noNat: [{ destination: '198.51.100.128/25', domain: 0 }],
};
const DIRECT = '198.51.100.200';

const world = (gateways = 1) => new World({ config: RULES, gateways });

/** Sends it and expects exactly this to leave, checksums and all, with no word to the store. */
async function becomes(w: World, gateway: number, side: Side, sent: PacketSpec, left: PacketSpec) {
  const calls = w.calls.length;
  const [out, ...others] = await w.send(gateway, side, sent);
  expect(others).toEqual([]);
  expect(Buffer.from(out!.bytes).equals(buildPacket({ ttl: 63, ...left }))).toBe(true);
  expect(w.calls.length).toBe(calls);
  return out!;
}

/** An IPv4 header before `length` bytes of whatever the protocol has. */
function bareHeader(protocol: number, from: string, to: string, ttl: number, length: number) {
  const payload = new Uint8Array(length - 8);
  const header = buildPacket({ ...udpOut, from, to, ttl, payload }).slice(0, 20);
  const view = new DataView(header.buffer);
  view.setUint8(9, protocol);
  view.setUint16(10, 0);
  view.setUint16(10, ~sumBytes(view, 0, 20));
  return header;
}

describe('a port forward', () => {
  const syn = { ...tcpOut, from: REMOTE, fromPort: 4_000, to: '203.0.113.5', toPort: 85 };
  const arrived = { ...syn, to: INSIDE, toPort: 8_085 };

  test('is the same at a gateway that never saw the connection', async () => {
    const w = world(2);
    await becomes(w, 0, Side.Outside, syn, arrived);
    w.gateways[0] = w.newGateway(0);
    w.storeIsAway = true;
    const answer = { ...tcpOut, fromPort: 8_085, toPort: 4_000, tcpFlags: SYN_ACK };
    await becomes(w, 1, Side.Inside, answer, { ...answer, from: '203.0.113.5', fromPort: 85 });
    const ack = { ...syn, tcpFlags: ACK, payload: Uint8Array.of(1, 2, 3) };
    await becomes(w, 0, Side.Outside, ack, { ...ack, to: INSIDE, toPort: 8_085 });
    expect(w.gateways[1]!.gauges.flows).toBe(0);
    expect(w.gateways[1]!.counters.packetsByRule).toBe(1);
  });

  test('is for its protocol and ports alone', async () => {
    const w = world();
    expect(await w.send(0, Side.Outside, { ...syn, toPort: 90 })).toEqual([]);
    expect(await w.send(0, Side.Outside, { ...syn, protocol: UDP })).toEqual([]);
    expect(w.gateways[0]!.counters.dropWellKnownPort).toBe(2);
  });

  test('may be of an address beside the pool', async () => {
    const query = { ...udpOut, from: REMOTE, fromPort: 4_000, to: '192.0.2.1', toPort: 53 };
    await becomes(world(), 0, Side.Outside, query, { ...query, to: INSIDE, toPort: 53 });
  });

  test('takes ICMP errors about it both ways', async () => {
    const w = world();
    const unreachable = { type: 3, code: 3, word: 0, keep: 0 };
    const inside = buildPacket({ ...arrived, ttl: 63 });
    const error = buildError({ from: INSIDE, to: REMOTE, ...unreachable, about: inside });
    const [told] = await w.send(0, Side.Inside, error);
    const about = buildPacket({ ...syn, ttl: 63 });
    const outer = { from: '203.0.113.5', to: REMOTE, ttl: 63 };
    const expected = buildError({ ...outer, ...unreachable, about });
    expect(Buffer.from(told!.bytes).equals(expected)).toBe(true);

    const answer = { ...back({ ...told!, fromPort: 85, toPort: 4_000 }), protocol: TCP };
    const reply = buildPacket({
      ...answer,
      from: '203.0.113.5',
      fromPort: 85,
      to: REMOTE,
      toPort: 4_000,
    });
    const router = { from: '198.51.100.1', to: '203.0.113.5', type: 11, word: 0, keep: 0 };
    const [back2] = await w.send(0, Side.Outside, buildError({ ...router, about: reply }));
    expect(back2).toMatchObject({ side: Side.Inside, to: INSIDE, fromPort: 4_000, toPort: 8_085 });
  });

  test('is reached from inside: the sender shows its own outside endpoint', async () => {
    const w = world(2);
    const [there] = await w.send(0, Side.Inside, {
      ...tcpOut,
      from: OTHER,
      to: '203.0.113.5',
      toPort: 80,
    });
    expect(there).toMatchObject({ side: Side.Inside, to: INSIDE, toPort: 8_080 });
    expect(there!.from).toMatch(/^203\.0\.113\./);
    const answer = { ...tcpOut, fromPort: 8_080, to: there!.from, toPort: there!.fromPort };
    const [reply] = await w.send(1, Side.Inside, { ...answer, tcpFlags: SYN_ACK });
    expect(reply).toMatchObject({ from: '203.0.113.5', fromPort: 80, to: OTHER, toPort: 5_000 });
  });

  test('is for no sender that is not served', async () => {
    const w = world();
    const spoofed = { ...tcpOut, from: '192.0.2.99', fromPort: 8_080 };
    expect(await w.send(0, Side.Inside, spoofed)).toEqual([]);
    expect(w.gateways[0]!.counters.dropNotInside).toBe(1);
  });
});

describe('a one-to-one address', () => {
  test('has TCP, UDP and pings of both sides, port for port', async () => {
    const w = world();
    const specs = [
      { ...tcpOut, toPort: 22 },
      { ...udpOut, noChecksum: true },
      { ...udpOut, protocol: ICMP, icmpType: 8, fromPort: 7, toPort: 7 },
    ];
    for (const spec of specs) {
      const out = { ...spec, from: HOST };
      await becomes(w, 0, Side.Inside, out, { ...out, from: '203.0.113.7' });
      const incoming = { ...spec, from: REMOTE, to: '203.0.113.7' };
      await becomes(w, 0, Side.Outside, incoming, { ...incoming, to: HOST });
    }
  });

  test('has what else there is: other protocols and ICMP types, by its addresses alone', () => {
    const gateway = world().gateways[0]!;
    const GRE = 47;
    const timestamp = buildPacket({ ...udpOut, protocol: ICMP, icmpType: 13 });
    for (const [protocol, rest] of [
      [GRE, Uint8Array.of(0, 0, 8, 0, 69, 1, 2, 3, 4)],
      [ICMP, timestamp.subarray(20)],
    ] as const) {
      const packet = (to: string, ttl: number) => {
        const bytes = bareHeader(protocol, REMOTE, to, ttl, rest.length);
        return Uint8Array.from([...bytes, ...rest]);
      };
      const frame = newFrame(IP_OFFSET + 20 + rest.length);
      frame.bytes.set(packet('203.0.113.7', 64), IP_OFFSET);
      const verdict = gateway.process(Side.Outside, frame, 0, frame.bytes.length, 1_000_000);
      expect(verdict).toBe(Verdict.Forward);
      expect(frame.bytes.slice(IP_OFFSET)).toEqual(packet(HOST, 63));
    }
  });

  test('nobody else gets it: bindings have other addresses of the pool', async () => {
    const w = world();
    for (let i = 0; i < 200; i++) {
      const [sent] = await w.send(0, Side.Inside, { ...udpOut, from: `198.18.3.${i}` });
      expect(sent!.from).not.toBe('203.0.113.7');
    }
  });
});

test('no binding ever has a port of a forward, however scarce ports are', async () => {
  const portForwards = [1_024, 1_700, 3_000].map((first, i) => ({
    protocol: 'udp' as const,
    outside: `203.0.113.5:${first}-${[1_699, 2_999, 63_487][i]}`,
    inside: `198.18.1.${20 + i}:${first}-${[1_699, 2_999, 63_487][i]}`,
    domain: 0,
  }));
  const w = new World({ config: { ...TEST_CONFIG, pool: ['203.0.113.5/32'], portForwards } });
  w.gateways[0]!.setGateways(64);
  const ports = new Set<number>();
  for (let i = 0; i < 1_500; i++) {
    const [sent] = await w.send(0, Side.Inside, { ...udpOut, fromPort: 10_000 + i });
    if (sent === undefined) continue;
    expect(sent.fromPort).toBeGreaterThanOrEqual(63_488);
    ports.add(sent.fromPort);
  }
  // Of 2,048 that are left, a shard’s share is 32, and hashing deals them unevenly.
  expect(ports.size).toBeGreaterThan(1_200);
  expect(w.gateways[0]!.counters.portsChosenByStore).toBeGreaterThan(0);
});

describe('a destination without NAT', () => {
  test('6888-6: is reached as it is, and answers as it is, at any gateway', async () => {
    const w = world(2);
    const out = { ...udpOut, to: DIRECT };
    await becomes(w, 0, Side.Inside, out, out);
    const answer = { ...udpOut, from: DIRECT, to: INSIDE };
    const sent = await becomes(w, 1, Side.Outside, answer, answer);
    expect(sent.side).toBe(Side.Inside);
    expect(w.gateways[0]!.counters.packetsPassed).toBe(1);
  });

  test('passes errors about its packets, whoever sent them', async () => {
    const about = buildPacket({ ...udpOut, to: DIRECT, ttl: 3 });
    const error = { from: '192.0.2.77', to: INSIDE, type: 11, word: 0, keep: 0, about };
    const w = world();
    const [told] = await w.send(0, Side.Outside, buildError(error));
    expect(Buffer.from(told!.bytes).equals(buildError({ ...error, ttl: 63 }))).toBe(true);
  });

  test('lets nothing else in', async () => {
    const w = world();
    expect(await w.send(0, Side.Outside, { ...udpOut, from: REMOTE, to: INSIDE })).toEqual([]);
    expect(await w.send(0, Side.Outside, { ...udpOut, from: DIRECT, to: '192.0.2.9' })).toEqual([]);
    expect(w.gateways[0]!.counters.dropNotPool).toBe(2);
  });
});

test('later fragments go by a one-to-one address, or as the first of their forward', async () => {
  const w = world(2);
  const payload = Uint8Array.from({ length: 2_000 }, (_, i) => i % 251);
  const spec = { ...udpOut, from: REMOTE, payload, identification: 7, fragment: 0 };
  const arrived = async (to: string, toPort: number, order: readonly [number, number]) => {
    const parts = fragmentsOf(buildPacket({ ...spec, to, toPort }), [1_000]);
    w.fragments.length = 0;
    await w.send(0, Side.Outside, parts[order[0]]!);
    await w.send(1, Side.Outside, parts[order[1]]!);
    await w.advance(100, 5);
    return reassembled(w.fragments.map(({ bytes }) => bytes));
  };
  const whole = (to: string, toPort: number) => buildPacket({ ...spec, to, toPort, ttl: 63 });
  expect(await arrived('203.0.113.7', 99, [1, 0])).toEqual(whole(HOST, 99));
  for (const { counters } of w.gateways) {
    expect(counters).toMatchObject({ datagramsAsked: 0, datagramsTold: 0 });
  }
  expect(await arrived('192.0.2.1', 53, [1, 0])).toEqual(whole(INSIDE, 53));
  expect(await arrived('192.0.2.1', 53, [0, 1])).toEqual(whole(INSIDE, 53));
});

test('what is too big for the link behind a rule is told so, or split', async () => {
  const w = world();
  const payload = new Uint8Array(1_400);
  const link = { address: 0xc6120101, mtuBytes: 1_000 };
  w.gateways[0]!.setLink(Side.Inside, link);
  const big = { ...udpOut, from: REMOTE, to: '203.0.113.7', payload };
  await w.send(0, Side.Outside, big);
  expect(w.gateways[0]!.counters.dropTooBig).toBe(1);
  await w.send(0, Side.Outside, { ...big, fragment: 0 });
  expect(w.fragments).toHaveLength(2);
  expect(w.gateways[0]!.counters.packetsSplit).toBe(1);
});

test('a gateway without rules treats every packet as before', async () => {
  const w = new World();
  const [out] = await w.send(0, Side.Inside, { ...tcpOut, tcpFlags: SYN });
  expect(out!.side).toBe(Side.Outside);
  expect(w.gateways[0]!.counters).toMatchObject({ packetsByRule: 0, packetsPassed: 0 });
});
