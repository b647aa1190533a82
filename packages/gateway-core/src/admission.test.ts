/** Under overload, packets of flows that may exist get their answers; new flows share the rest. */
import { TCP, UDP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { performCall, type StoreReply } from './store-call.ts';
import { INSIDE, REMOTE, World } from './testing/world.ts';

const ACK = 16;
const SYN = 2;
const FLOWS = 100;
const OPENINGS_MAX = 64;
const STORE_MS = 400;
const TICK_MS = 10;
const HOSTS = 8;
const LIMITS = {
  questionsMax: 512,
  openingsMax: OPENINGS_MAX,
  heldBytesMax: 200_000,
  openingBytesMax: 100_000,
  requestsPerCallMax: 16,
};

function tcp(port: number, tcpFlags: number, from = INSIDE): PacketSpec {
  return { protocol: TCP, from, fromPort: port, to: REMOTE, toPort: 80, tcpFlags };
}

/** Ten times what may be under way: SYNs of several hosts, each to a port of its own. */
function flood(world: World, first: number): void {
  for (let i = 0; i < 10 * OPENINGS_MAX; i++) {
    const from = `198.18.2.${i % HOSTS}`;
    world.inject(0, Side.Inside, tcp(first + i, SYN, from));
  }
}

/** Lets time pass at gateway 0, whose store answers each call after STORE_MS. */
async function advanceSlowly(world: World, ms: number): Promise<void> {
  const core = world.gateways[0]!;
  const pending: { atMs: number; reply: StoreReply }[] = [];
  for (let passed = 0; passed < ms; passed += TICK_MS) {
    world.nowMs += TICK_MS;
    while (pending.length > 0 && pending[0]!.atMs <= world.nowMs) {
      core.reply(pending.shift()!.reply, world.nowMs);
    }
    core.tick(world.nowMs);
    for (const call of core.takeCalls(world.nowMs)) {
      const reply = await performCall(world.store, call);
      pending.push({ atMs: world.nowMs + STORE_MS, reply });
    }
  }
}

async function worldOf100Flows(limits = LIMITS): Promise<World> {
  const world = new World({ gateways: 2, limits });
  for (let i = 0; i < FLOWS; i++) await world.send(1, Side.Inside, tcp(2_000 + i, SYN));
  world.sent.length = 0;
  return world;
}

describe('misses for flows that exist outrank new flows', () => {
  test('under a flood of SYNs, 100 flows that live elsewhere are all answered', async () => {
    const world = await worldOf100Flows();
    flood(world, 10_000);
    for (let i = 0; i < FLOWS; i++) {
      world.inject(0, Side.Inside, tcp(2_000 + i, ACK));
      flood(world, 20_000 + i);
    }
    await advanceSlowly(world, 1_900);
    const known = world.sent.filter(({ tcpFlags }) => tcpFlags === ACK);
    expect(known).toHaveLength(FLOWS);
    const { counters } = world.gateways[0]!;
    expect(counters.dropOpeningsFull).toBeGreaterThan(100 * OPENINGS_MAX);
    expect(counters.dropQuestionsFull + counters.dropHoldFull).toBe(0);
    expect(counters.resetsSent).toBe(0);
  });

  test('UDP without a row, and SYNs from outside, may not use the reserve', async () => {
    const world = await worldOf100Flows();
    for (let port = 1_024; port < 4_000; port++) {
      const remote = `198.51.100.${port % 200}`;
      world.inject(0, Side.Inside, { ...tcp(port, 0, '198.18.2.1'), protocol: UDP });
      const to = '203.0.113.1';
      world.inject(0, Side.Outside, { ...tcp(80, SYN, remote), to, toPort: port });
    }
    expect(world.gateways[0]!.gauges.openings).toBeLessThanOrEqual(OPENINGS_MAX);
    for (let i = 0; i < FLOWS; i++) world.inject(0, Side.Inside, tcp(2_000 + i, ACK));
    await advanceSlowly(world, 1_900);
    expect(world.sent.filter(({ tcpFlags }) => tcpFlags === ACK)).toHaveLength(FLOWS);
  });

  test('large packets that begin flows leave room in the hold for the others', async () => {
    const world = await worldOf100Flows();
    const payload = new Uint8Array(1_400);
    for (let i = 0; i < 10 * OPENINGS_MAX; i++) {
      const packet = { ...tcp(10_000 + (i % 20), 0, `198.18.2.${i % HOSTS}`), protocol: UDP };
      world.inject(0, Side.Inside, { ...packet, payload });
    }
    const { counters, gauges } = world.gateways[0]!;
    expect(counters.dropOpeningBytesFull).toBeGreaterThan(0);
    expect(gauges.heldBytes).toBeLessThanOrEqual(LIMITS.openingBytesMax);
    for (let i = 0; i < FLOWS; i++) world.inject(0, Side.Inside, tcp(2_000 + i, ACK));
    expect(counters.dropHoldFull).toBe(0);
  });
});

describe('no inside address uses up what all need', () => {
  test('while one host scans, a new flow of another is opened', async () => {
    const world = new World({ limits: LIMITS });
    for (let i = 0; i < 10 * OPENINGS_MAX; i++) world.inject(0, Side.Inside, tcp(10_000 + i, SYN));
    expect(world.gateways[0]!.gauges.openings).toBe(OPENINGS_MAX / 2);
    world.inject(0, Side.Inside, tcp(2_000, SYN, '198.18.3.1'));
    expect(world.gateways[0]!.gauges.openings).toBe(OPENINGS_MAX / 2 + 1);
    await advanceSlowly(world, 1_900);
    expect(world.gateways[0]!.counters.flowsOpened).toBe(OPENINGS_MAX / 2 + 1);
  });

  test('while one host scans with stray segments, another’s flows are looked up', async () => {
    const world = await worldOf100Flows({ ...LIMITS, requestsPerCallMax: 64 });
    for (let i = 0; i < 1_000; i++)
      world.inject(0, Side.Inside, tcp(10_000 + i, ACK, '198.18.2.1'));
    expect(world.gateways[0]!.counters.dropQuestionsFull).toBe(1_000 - LIMITS.questionsMax / 2);
    for (let i = 0; i < FLOWS; i++) world.inject(0, Side.Inside, tcp(2_000 + i, ACK));
    await advanceSlowly(world, 1_900);
    expect(world.sent.filter(({ tcpFlags }) => tcpFlags === ACK)).toHaveLength(FLOWS);
  });

  test('every place is given back: after the flood the same may be opened again', async () => {
    const world = await worldOf100Flows();
    for (const round of [0, 1, 2]) {
      flood(world, 10_000 + 5_000 * round);
      await advanceSlowly(world, 5_000);
      expect(world.gateways[0]!.gauges).toMatchObject({ openings: 0, questions: 0, heldBytes: 0 });
    }
  });
});
