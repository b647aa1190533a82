/** Requirements of RFC 4787, 5382, 5508, 6888 and 7857 that no other file is about. */
import {
  BLOCK_PORTS,
  BLOCKS_PER_SHARD,
  ICMP,
  parseAddress,
  shardOfInside,
  UDP,
} from '@flowstore/flow';
import { buildError, type PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { back, segment, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, TEST_CONFIG, World } from './testing/world.ts';

const ECHO_REPLY = 0;
const ECHO_REQUEST = 8;
const one = { ...TEST_CONFIG, pool: ['203.0.113.1/32'] };
const ping: PacketSpec = { ...udpOut, protocol: ICMP, fromPort: 77, icmpType: ECHO_REQUEST };

describe('payloads are nobody’s business', () => {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text));

  test('4787-10: UDP has no ALG: addresses in a SIP message stay what they are', async () => {
    const payload = bytes(`INVITE sip:198.18.1.10:5000\r\nContact: <sip:${INSIDE}:5000>\r\n`);
    const world = new World();
    const [sent] = await world.send(0, Side.Inside, { ...udpOut, toPort: 5_060, payload });
    expect(Buffer.from(sent!.bytes.subarray(28)).equals(payload)).toBe(true);
  });

  test('5382-6: TCP has no ALG: nor does the PORT command of FTP change', async () => {
    const payload = bytes(`PORT ${INSIDE.replaceAll('.', ',')},19,136\r\n`);
    const world = new World();
    await world.send(0, Side.Inside, { ...tcpOut, toPort: 21 });
    const [sent] = await world.send(0, Side.Inside, { ...segment, toPort: 21, payload });
    expect(Buffer.from(sent!.bytes.subarray(40)).equals(payload)).toBe(true);
  });
});

test('4787-11: nothing changes with load, collisions, time or the gateway', async () => {
  const world = new World({ gateways: 3, config: one });
  for (let round = 0; round < 3; round++) {
    for (let gateway = 0; gateway < 3; gateway++) {
      const fromPort = 3_000 + 7 * (3 * round + gateway);
      const [first] = await world.send(gateway, Side.Inside, { ...udpOut, fromPort });
      const other = (gateway + 1) % 3;
      const [second] = await world.send(other, Side.Inside, { ...udpOut, fromPort, toPort: 54 });
      expect(second).toMatchObject({ from: first!.from, fromPort: first!.fromPort });
      expect(first!.fromPort % 2).toBe(fromPort % 2);
      const stranger = back(first!, { from: '198.51.100.99', fromPort: 9 });
      expect(await world.send(other, Side.Outside, stranger)).toMatchObject([{ toPort: fromPort }]);
    }
    for (let i = 0; i < 150; i++) {
      const from = `198.18.${2 + round}.${i}`;
      await world.send(i % 3, Side.Inside, { ...udpOut, from });
    }
    await world.advance(100_000, 10_000);
  }
});

test('5382-7: no two TCP endpoints share an outside endpoint, whoever opens them', async () => {
  const world = new World({ gateways: 3, config: one });
  const used = new Set<number>();
  for (let i = 0; i < 300; i++) {
    const from = `198.18.2.${i % 100}`;
    const [sent] = await world.send(i % 3, Side.Inside, { ...tcpOut, from, fromPort: 5_000 + i });
    used.add(sent!.fromPort);
  }
  expect(used.size).toBe(300);
});

describe('ICMP', () => {
  test('5508-1a: a query’s identifier is the same for every host that is asked', async () => {
    const world = new World({ gateways: 2 });
    const [first] = await world.send(0, Side.Inside, ping);
    const [second] = await world.send(1, Side.Inside, { ...ping, to: '198.51.100.20' });
    expect(second).toMatchObject({ from: first!.from, fromPort: first!.fromPort });
  });

  test('5508-10a 5508-10b: what is about a flow passes, and so do echoes', async () => {
    const world = new World();
    const [asked] = await world.send(0, Side.Inside, ping);
    const reply = back(asked!, { protocol: ICMP, icmpType: ECHO_REPLY });
    expect(await world.send(0, Side.Outside, reply)).toMatchObject([{ to: INSIDE, fromPort: 77 }]);
    const [sent] = await world.send(0, Side.Inside, udpOut);
    // Destination Unreachable, Time Exceeded, Parameter Problem.
    for (const type of [3, 11, 12]) {
      const about = { type, word: 0, keep: 0, about: sent!.bytes };
      const error = buildError({ from: '198.51.100.1', to: sent!.from, ...about });
      expect(await world.send(0, Side.Outside, error)).toMatchObject([{ to: INSIDE }]);
    }
  });

  test('5508-3c: the embedded transport checksum is nobody’s business', async () => {
    const world = new World({ wrongPayloadsPass: true });
    const [sent] = await world.send(0, Side.Inside, udpOut);
    const about = sent!.bytes.slice();
    about[26]! ^= 0x55;
    const spec = { from: '198.51.100.1', to: sent!.from, type: 3, word: 0, keep: 0, about };
    expect(await world.send(0, Side.Outside, buildError(spec))).toMatchObject([{ to: INSIDE }]);
  });

  test('7857-11: a query’s mapping goes with its last session', async () => {
    const world = new World();
    await world.send(0, Side.Inside, ping);
    expect(world.store.counts().entries).toBe(1);
    // 60 s, and the slack for what a gateway may not have reported.
    await world.advance(180_000, 5_000);
    await world.sweep();
    expect(world.store.counts().entries).toBe(0);
  });
});

describe('ports', () => {
  test('7857-3: one outside port serves all destinations of its endpoint', async () => {
    const world = new World();
    const ports = new Set<number>();
    for (let toPort = 1; toPort <= 20; toPort++) {
      const [sent] = await world.send(0, Side.Inside, { ...tcpOut, toPort });
      ports.add(sent!.fromPort);
    }
    expect(ports.size).toBe(1);
  });

  test('4787-5a: a mapping for DNS alone lives as long as any other', async () => {
    const world = new World();
    const [sent] = await world.send(0, Side.Inside, { ...udpOut, toPort: 53 });
    await world.advance(299_000, 5_000);
    expect(await world.send(0, Side.Outside, back(sent!))).toMatchObject([{ to: INSIDE }]);
  });

  test('6888-8 6888-11d: a freed port waits 120 s, and none is freed to make room', async () => {
    const world = new World({ config: one });
    const shard = 5;
    const all = BLOCKS_PER_SHARD * BLOCK_PORTS;
    const inside = sourcePorts(shard);
    const open = async () => {
      const fromPort = inside.next().value as number;
      const [sent] = await world.send(0, Side.Inside, { ...udpOut, fromPort });
      return sent?.fromPort;
    };
    const freed = (await open())!;
    await world.advance(500_000, 10_000);
    await world.sweep();
    expect(world.store.counts().entries).toBe(0);
    const used = new Set<number | undefined>();
    for (let i = 0; i < all - 1; i++) used.add(await open());
    expect(used.size).toBe(all - 1);
    expect(used.has(freed)).toBe(false);
    // The port is kept back, and everybody keeps what he has: there is none for one more.
    expect(await open()).toBeUndefined();
    expect(world.store.counts().entries).toBe(all - 1);
    // The quarantine, and a renewal that tells of it.
    await world.advance(160_000, 10_000);
    await world.sweep();
    expect(await open()).toBe(freed);
  });
});

/** Source ports of the host whose bindings lie in the shard. */
function* sourcePorts(shard: number) {
  const endpoint = { domain: 0, protocol: UDP, address: parseAddress(INSIDE) };
  for (let port = 1_024; port < 65_536; port++) {
    if (shardOfInside({ ...endpoint, port }) === shard) yield port;
  }
}
