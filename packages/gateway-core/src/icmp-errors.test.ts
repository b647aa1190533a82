/** ICMP errors find the flow that they are about, whichever gateway they come to (RFC 5508). */
import { TCP, UDP } from '@flowstore/flow';
import { buildError, buildPacket, type PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { back, tcpOut, udpOut } from './testing/traffic.ts';
import { INSIDE, REMOTE, type Sent, World } from './testing/world.ts';

const ROUTER = '198.51.100.1';
const FRAGMENTATION_NEEDED = { type: 3, code: 4, word: 1_280, keep: 100 };

const flows = [
  ['udp', udpOut],
  ['tcp', tcpOut],
] as const;

/** About what a gateway sent. */
function errorAbout({ from, bytes }: Pick<Sent, 'from' | 'bytes'>): Uint8Array {
  return buildError({ from: ROUTER, to: from, ...FRAGMENTATION_NEEDED, about: bytes });
}

describe.each(flows)('an error from outside about a %s flow', (_, out) => {
  async function begun() {
    const world = new World({ gateways: 2 });
    const [sent] = await world.send(0, Side.Inside, out);
    return { world, sent: sent!, original: buildPacket({ ...out, ttl: 63 } as PacketSpec) };
  }

  test.each([0, 1])('comes to the inside host through gateway %d', async (gateway) => {
    const { world, sent, original } = await begun();
    const [received] = await world.send(gateway, Side.Outside, errorAbout(sent));
    const about = { ...FRAGMENTATION_NEEDED, about: original };
    const expected = buildError({ from: ROUTER, to: INSIDE, ttl: 63, ...about });
    expect(Buffer.from(received!.bytes).equals(expected)).toBe(true);
    expect(received!.side).toBe(Side.Inside);
    expect(world.gateways[gateway]!.counters.icmpErrorsIn).toBe(1);
  });

  test('refreshes nothing, opens nothing, ends nothing', async () => {
    const { world, sent } = await begun();
    const touches = () => world.calls.filter(({ operation }) => operation === 'touch').length;
    await world.advance(200_000, 10_000);
    const before = touches();
    for (let i = 0; i < 20; i++) await world.send(0, Side.Outside, errorAbout(sent));
    await world.advance(10_000);
    expect(touches()).toBe(before);
    expect(world.store.counts().entries).toBe(1);
    expect(await world.send(0, Side.Inside, out)).toHaveLength(1);
  });

  test('is dropped where nobody has such a flow', async () => {
    const { world, sent } = await begun();
    const other = buildPacket({ ...out, from: sent.from, fromPort: sent.fromPort ^ 1 });
    expect(
      await world.send(1, Side.Outside, errorAbout({ from: sent.from, bytes: other })),
    ).toEqual([]);
    await world.advance(5_000, 100);
    expect(world.gateways[1]!.counters.dropNoBinding).toBe(1);
    expect(world.store.counts().entries).toBe(1);
  });
});

describe('an error from inside', () => {
  const answer = { from: REMOTE, to: INSIDE, fromPort: udpOut.toPort, toPort: udpOut.fromPort };
  const unreachable = { type: 3, code: 3, word: 0, keep: 100 };

  test('leaves by the outside endpoint, from whichever gateway', async () => {
    const world = new World({ gateways: 2 });
    const [sent] = await world.send(0, Side.Inside, udpOut);
    const about = buildPacket({ protocol: UDP, ...answer, ttl: 63 });
    const error = buildError({ from: '198.18.0.1', to: REMOTE, ...unreachable, about });
    const [left] = await world.send(1, Side.Inside, error);
    const outside = buildPacket({ ...back(sent!), ttl: 63 } as PacketSpec);
    const expected = { from: sent!.from, to: REMOTE, ...unreachable, about: outside, ttl: 63 };
    expect(Buffer.from(left!.bytes).equals(buildError(expected))).toBe(true);
    expect(world.gateways[1]!.counters.icmpErrorsOut).toBe(1);
  });

  test('about an unknown flow opens none, and is answered by no RST', async () => {
    const world = new World();
    for (const protocol of [UDP, TCP]) {
      const about = buildPacket({ protocol, ...answer });
      const error = buildError({ from: INSIDE, to: REMOTE, ...unreachable, about });
      expect(await world.send(0, Side.Inside, error)).toEqual([]);
    }
    await world.advance(5_000, 100);
    expect(world.sent).toEqual([]);
    expect(world.store.counts().entries).toBe(0);
    expect(world.gateways[0]!.counters).toMatchObject({ dropNoFlow: 2, resetsSent: 0 });
  });
});
