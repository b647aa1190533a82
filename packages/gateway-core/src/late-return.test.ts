/**
 * Who comes back when the flow's life is nearly over: within what clocks may differ by of its end,
 * the table's row may not be used any more, and the store has it still.
 */
import { TCP, UDP } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { back, SYN_ACK, segment, tcpOut, udpOut } from './testing/traffic.ts';
import { type Sent, TEST_CONFIG, World } from './testing/world.ts';

const { timeouts, slack } = TEST_CONFIG;
const lifeMs = (timeoutMs: number) => (timeoutMs * 4) / 3 + slack.outageMs + slack.clockSkewMs;
const UDP_LIFE_MS = lifeMs(timeouts.udpMs);
const STEP_MS = 500;

/** A UDP binding that gateway 0 opened, so long before its end. */
async function idleUdp(beforeMs: number): Promise<{ world: World; first: Sent }> {
  // No waking packet waits for touches to gather.
  const world = new World({ gateways: 2, limits: { touchGatherMs: 100 } });
  const [first] = await world.send(0, Side.Inside, udpOut);
  await world.advance(UDP_LIFE_MS - beforeMs, STEP_MS);
  return { world, first: first! };
}

async function idleTcp(beforeMs: number): Promise<{ world: World; first: Sent }> {
  const world = new World({ gateways: 2 });
  const [first] = await world.send(0, Side.Inside, tcpOut);
  await world.send(0, Side.Outside, back(first!, { protocol: TCP, tcpFlags: SYN_ACK }));
  await world.send(0, Side.Inside, segment);
  await world.advance(lifeMs(timeouts.tcpEstablishedMs) - beforeMs, 5_000);
  return { world, first: first! };
}

describe.each([0, 1])('at gateway %i', (gateway) => {
  test('a UDP host goes on at once, however near the end of its binding is', async () => {
    for (let beforeMs = 2 * slack.clockSkewMs; beforeMs > 0; beforeMs -= STEP_MS) {
      const { world, first } = await idleUdp(beforeMs);
      const sent = await world.send(gateway, Side.Inside, udpOut);
      expect([beforeMs, ...sent.map((s) => s.fromPort)]).toEqual([beforeMs, first.fromPort]);
      // It lives for another timeout.
      await world.advance(timeouts.udpMs - 1_000, STEP_MS);
      const answers = await world.send(gateway, Side.Outside, back(first));
      expect([beforeMs, answers.length]).toEqual([beforeMs, 1]);
    }
  });

  test('a TCP connection does, whoever speaks first', async () => {
    for (const beforeMs of [4_000, 500]) {
      for (const side of [Side.Inside, Side.Outside]) {
        const { world, first } = await idleTcp(beforeMs);
        const data = back(first, { protocol: TCP, tcpFlags: 0x10 });
        const packet = side === Side.Inside ? segment : data;
        expect(await world.send(gateway, side, packet)).toHaveLength(1);
        await world.advance(timeouts.tcpTransitoryMs, 5_000);
        expect(await world.send(gateway, Side.Inside, segment)).toHaveLength(1);
        expect(world.gateways[gateway]!.counters.resetsSent).toBe(0);
      }
    }
  });
});

test('where nobody hears of the waking packet, it opens anew once all is over', async () => {
  const { world } = await idleUdp(1_000);
  world.lost.add('touch');
  expect(await world.send(0, Side.Inside, udpOut)).toHaveLength(0);
  const before = world.sent.length;
  await world.advance(1_500, 50);
  expect(world.sent.slice(before).map(({ side }) => side)).toEqual([Side.Outside]);
});

test('what does not keep a flow, such as UDP from outside, does not wake it', async () => {
  const { world, first } = await idleUdp(1_000);
  await world.send(0, Side.Outside, back(first, { protocol: UDP }));
  expect(world.calls.filter(({ operation }) => operation === 'touch')).toEqual([]);
});
