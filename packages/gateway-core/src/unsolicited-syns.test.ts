/** RFC 5382 REQ-4: who sends a SYN that nobody waits for is told so, but not before 6 s. */
import { TCP } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { DEFAULT_POLICIES } from './policies.ts';
import { ACK, SYN, SYN_ACK, tcpOut } from './testing/traffic.ts';
import { INSIDE, REMOTE, type Sent, World, type WorldOptions } from './testing/world.ts';

const OUTSIDE_LINK = 0xc6_13_65_02;
const from = { protocol: TCP, from: REMOTE, fromPort: tcpOut.toPort, tcpFlags: SYN };

function linked(options: WorldOptions = {}): World {
  const world = new World({ gateways: 2, ...options });
  for (const core of world.gateways) {
    core.setLink(Side.Outside, { address: OUTSIDE_LINK, mtuBytes: 1_500 });
  }
  return world;
}

/** Where the inside host's connections will come from, without one that is there yet. */
async function foretold(): Promise<{ to: string; toPort: number }> {
  const [sent] = await linked().send(0, Side.Inside, tcpOut);
  return { to: sent!.from, toPort: sent!.fromPort };
}

const kindOf = ({ bytes }: Sent) => `${bytes[20]}/${bytes[21]}`;

describe('an unsolicited SYN from outside', () => {
  test('5382-4: is answered by ICMP 3/3, 6 s later', async () => {
    const world = linked();
    await world.send(0, Side.Outside, { ...from, ...(await foretold()) });
    await world.advance(5_990, 10);
    expect(world.sent).toEqual([]);
    await world.advance(20, 10);
    expect(world.sent.map(({ side }) => side)).toEqual([Side.Outside]);
    expect(world.sent.map(kindOf)).toEqual(['3/3']);
  });

  test('5382-4: is dropped silently when the outbound SYN leaves anywhere meanwhile', async () => {
    const world = linked();
    const to = await foretold();
    await world.send(1, Side.Outside, { ...from, ...to });
    const [out] = await world.send(0, Side.Inside, tcpOut);
    expect({ to: out!.from, toPort: out!.fromPort }).toEqual(to);
    await world.advance(10_000, 100);
    expect(world.sent).toHaveLength(1);
    expect(world.gateways[1]!.counters.ownErrorsSent).toBe(0);
  });

  test('5382-2a: whose sender tries again joins the simultaneous open', async () => {
    const world = linked();
    const to = await foretold();
    await world.send(1, Side.Outside, { ...from, ...to });
    await world.send(0, Side.Inside, tcpOut);
    await world.advance(1_000, 10);
    const [again] = await world.send(1, Side.Outside, { ...from, ...to });
    expect(again).toMatchObject({ side: Side.Inside, to: INSIDE, tcpFlags: SYN });
    const [synAck] = await world.send(1, Side.Inside, { ...tcpOut, tcpFlags: SYN_ACK });
    expect(synAck).toMatchObject({ side: Side.Outside, from: to.to, fromPort: to.toPort });
    const [ack] = await world.send(0, Side.Outside, { ...from, ...to, tcpFlags: ACK });
    expect(ack).toMatchObject({ side: Side.Inside, to: INSIDE, tcpFlags: ACK });
    await world.advance(10_000, 100);
    expect(world.gateways.map(({ counters }) => counters.ownErrorsSent)).toEqual([0, 0]);
  });

  test('5382-4a: is dropped silently where the policy says so', async () => {
    const world = linked({ policies: { ...DEFAULT_POLICIES, unsolicitedSyns: 'silent' } });
    await world.send(0, Side.Outside, { ...from, ...(await foretold()) });
    await world.advance(10_000, 100);
    expect(world.sent).toEqual([]);
  });

  test('beyond unsolicitedSynsMax is dropped silently, and counted', async () => {
    const world = linked({ limits: { unsolicitedSynsMax: 2 } });
    const to = await foretold();
    for (let i = 0; i < 5; i++) {
      await world.send(0, Side.Outside, { ...from, ...to, fromPort: 100 + i });
    }
    await world.advance(10_000, 100);
    expect(world.sent.map(kindOf)).toEqual(['3/3', '3/3']);
    expect(world.gateways[0]!.counters.unsolicitedSynsForgotten).toBe(3);
  });

  test('is answered by nothing while the store does not say', async () => {
    const world = linked();
    await world.send(0, Side.Outside, { ...from, ...(await foretold()) });
    world.storeIsAway = true;
    await world.advance(10_000, 100);
    expect(world.sent).toEqual([]);
  });
});
