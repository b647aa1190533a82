/** Two inside hosts that talk by their outside endpoints, bound by different gateways. */
import { ICMP, TCP, UDP } from '@flowstore/flow';
import { buildError, buildPacket, type PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { ACK, SYN, SYN_ACK, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, TEST_CONFIG, World } from './testing/world.ts';

const OTHER = '198.18.1.11';

/** The outside endpoint of `OTHER`, bound by the gateway. */
async function bindOther(world: World, gateway: number, spec: Partial<PacketSpec> = {}) {
  const [sent] = await world.send(gateway, Side.Inside, { ...udpOut, from: OTHER, ...spec });
  return { to: sent!.from, toPort: sent!.fromPort };
}

describe('hairpinning', () => {
  test("4787-9 4787-9a: UDP has the external source, over two gateways' bindings", async () => {
    const world = new World({ gateways: 3 });
    const other = await bindOther(world, 0);
    const [bound] = await world.send(1, Side.Inside, udpOut);
    const spec = { protocol: UDP, from: INSIDE, fromPort: udpOut.fromPort, ...other };
    const [there] = await world.send(2, Side.Inside, spec);
    const { from, fromPort } = bound!;
    const received = { protocol: UDP, from, fromPort, to: OTHER, toPort: udpOut.fromPort, ttl: 63 };
    expect(there!.side).toBe(Side.Inside);
    expect(Buffer.from(there!.bytes).equals(buildPacket(received))).toBe(true);
    const answer = { protocol: UDP, from: OTHER, fromPort: 5000, to: from, toPort: fromPort };
    const [back] = await world.send(0, Side.Inside, answer);
    const { to, toPort } = other;
    expect(back).toMatchObject({ side: Side.Inside, from: to, fromPort: toPort, to: INSIDE });
    expect(world.gateways[2]!.counters.packetsHairpinned).toBe(1);
  });

  test('of a known pair asks the store nothing, whatever the checksum and the TTL', async () => {
    const world = new World();
    const other = await bindOther(world, 0);
    const spec = { ...udpOut, ...other };
    await world.send(0, Side.Inside, spec);
    const calls = world.calls.length;
    await world.send(0, Side.Inside, { ...spec, noChecksum: true });
    const [last] = await world.send(0, Side.Inside, { ...spec, ttl: 2 });
    expect(last).toBeUndefined();
    expect(world.calls).toHaveLength(calls);
    // With a TTL of 1 left it is nothing that the test's own world collects; but it left.
    expect(world.gateways[0]!.counters).toMatchObject({ packetsHairpinned: 3, packetsIn: 3 });
  });

  test('5382-8: TCP opens both flows before its SYN is forwarded', async () => {
    const world = new World({ gateways: 3 });
    const bind = { protocol: TCP, toPort: 80, tcpFlags: SYN };
    const other = await bindOther(world, 0, bind);
    const syn = { ...tcpOut, ...other };
    const [arrived] = await world.send(1, Side.Inside, syn);
    expect(arrived).toMatchObject({ side: Side.Inside, to: OTHER, toPort: 5000, tcpFlags: SYN });
    const opened = world.gateways[1]!.counters;
    expect(opened.flowsOpened).toBe(2);
    const { from, fromPort } = arrived!;
    const answer = { protocol: TCP, from: OTHER, fromPort: 5000, to: from, toPort: fromPort };
    const [synAck] = await world.send(2, Side.Inside, { ...answer, tcpFlags: SYN_ACK });
    expect(synAck).toMatchObject({ from: other.to, fromPort: other.toPort, to: INSIDE });
    const [ack] = await world.send(0, Side.Inside, { ...syn, tcpFlags: ACK });
    expect(ack).toMatchObject({ side: Side.Inside, from, fromPort, to: OTHER, tcpFlags: ACK });
  });

  test('5508-7: an ICMP error about a hairpinned packet comes to who sent that', async () => {
    const world = new World({ gateways: 2 });
    const other = await bindOther(world, 0);
    const spec = { ...udpOut, ...other };
    const [arrived] = await world.send(0, Side.Inside, spec);
    const unreachable = { type: 3, code: 3, word: 0, keep: 0 };
    const about = { ...unreachable, about: arrived!.bytes };
    const error = buildError({ from: OTHER, to: arrived!.from, ...about });
    const [told] = await world.send(1, Side.Inside, error);
    const original = buildPacket({ ...spec, ttl: 63 });
    const addresses = { from: other.to, to: INSIDE, ttl: 63 };
    const expected = buildError({ ...addresses, ...unreachable, about: original });
    expect(told!.side).toBe(Side.Inside);
    expect(Buffer.from(told!.bytes).equals(expected)).toBe(true);
  });

  test('7857-12: an ICMP query comes to the host whose query that identifier is', async () => {
    const world = new World({ config: { ...TEST_CONFIG, pool: ['203.0.113.0/31'] } });
    const ping = { ...udpOut, protocol: ICMP, icmpType: 8, fromPort: 9 };
    // A query has one identifier for both ends: two hosts that have the same, at two addresses.
    const holders = new Map<number, { from: string; outside: string }[]>();
    for (let i = 0; i < 2_000; i++) {
      const from = `198.18.${2 + (i >> 8)}.${i & 255}`;
      const [sent] = await world.send(0, Side.Inside, { ...ping, from });
      const known = holders.get(sent!.fromPort) ?? [];
      holders.set(sent!.fromPort, [...known, { from, outside: sent!.from }]);
    }
    const [asker, asked] = [...holders.values()].find(({ length }) => length === 2)!;
    const query = { ...ping, from: asker!.from, to: asked!.outside };
    const [arrived] = await world.send(0, Side.Inside, query);
    expect(arrived).toMatchObject({ side: Side.Inside, from: asker!.outside, to: asked!.from });
    expect(arrived!.fromPort).toBe(9);
  });

  test('to an outside endpoint that nobody has is dropped', async () => {
    const world = new World();
    await world.send(0, Side.Inside, { ...udpOut, to: '203.0.113.5', toPort: 2_000 });
    await world.send(0, Side.Inside, { ...udpOut, to: '203.0.113.5', toPort: 53 });
    expect(world.sent).toEqual([]);
    const { counters } = world.gateways[0]!;
    expect(counters).toMatchObject({ dropNoBinding: 1, dropWellKnownPort: 1 });
  });
});
