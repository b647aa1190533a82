/** RFC 6888 REQ-4: what one inside address may have, over all gateways, and how fast. */
import { TCP, UDP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { INSIDE, REMOTE, TEST_CONFIG, World, type WorldOptions } from './testing/world.ts';

const NEIGHBOUR = '198.18.1.11';
const UDP_LIFE_MS = 495_000;

function udp(port: number, from = INSIDE): PacketSpec {
  return { protocol: UDP, from, fromPort: port, to: REMOTE, toPort: 53 };
}

function limitedWorld(
  limits: { bindings?: number; perS?: number; batch?: number },
  more: WorldOptions = {},
): World {
  const config = {
    ...TEST_CONFIG,
    bindingsPerSubscriberMax: limits.bindings ?? 0,
    newBindingsPerSubscriberPerSMax: limits.perS ?? 0,
  };
  const bindingsPerCountMax = limits.batch ?? 4;
  return new World({ ...more, config, limits: { bindingsPerCountMax, ...more.limits } });
}

async function open(world: World, first: number, last: number, gateway = 0, from = INSIDE) {
  for (let port = first; port <= last; port++)
    await world.send(gateway, Side.Inside, udp(port, from));
}

const questions = (world: World) => world.calls.filter(({ operation }) => operation === 'count');

describe('bindings per subscriber', () => {
  test('beyond the limit a new one is refused and counted; a neighbour opens its own', async () => {
    const world = limitedWorld({ bindings: 10 });
    await open(world, 2_000, 2_014);
    expect(world.sent).toHaveLength(10);
    expect(world.gateways[0]!.counters.dropSubscriberLimit).toBe(5);
    await open(world, 2_000, 2_003, 0, NEIGHBOUR);
    expect(world.sent).toHaveLength(14);
  });

  test('a subscriber at its limit keeps its bindings, and adds flows to them', async () => {
    const world = limitedWorld({ bindings: 2, batch: 1 });
    const syn = (port: number, toPort: number): PacketSpec => {
      return { protocol: TCP, from: INSIDE, fromPort: port, to: REMOTE, toPort, tcpFlags: 2 };
    };
    for (const port of [2_000, 2_001, 2_002]) await world.send(0, Side.Inside, syn(port, 80));
    expect(world.gateways[0]!.counters.dropSubscriberLimit).toBe(1);
    expect(await world.send(0, Side.Inside, syn(2_000, 81))).toHaveLength(1);
    expect(await world.send(0, Side.Inside, syn(2_001, 82))).toHaveLength(1);
  });

  test('a subscriber at its limit joins what another gateway opened', async () => {
    const world = limitedWorld({ bindings: 4 }, { gateways: 2 });
    await open(world, 2_000, 2_003, 1);
    await open(world, 3_000, 3_003, 0);
    await open(world, 4_000, 4_000, 0);
    expect(world.gateways[0]!.counters.dropSubscriberLimit).toBe(1);
    expect(await world.send(0, Side.Inside, udp(2_000))).toHaveLength(1);
  });

  test('what ended makes room, soon after the sweep', async () => {
    const world = limitedWorld({ bindings: 4 });
    await open(world, 2_000, 2_004);
    expect(world.sent).toHaveLength(4);
    await world.advance(UDP_LIFE_MS + 1_000, 5_000);
    await world.sweep();
    await open(world, 3_000, 3_004);
    expect(world.sent).toHaveLength(8);
  });

  test('who opens little is never counted; who opens much, once per batch', async () => {
    const world = limitedWorld({ bindings: 100, batch: 8 });
    await open(world, 2_000, 2_007);
    expect(questions(world)).toHaveLength(0);
    await open(world, 2_008, 2_023);
    expect(world.gateways[0]!.counters.subscribersCounted).toBe(2);
    // One call carries the questions to all shards.
    expect(questions(world)).toHaveLength(2);
  });

  test('refused, it is not counted for every packet', async () => {
    const world = limitedWorld({ bindings: 4 });
    await open(world, 2_000, 2_040);
    expect(world.gateways[0]!.counters.subscribersCounted).toBe(1);
  });

  test('without a limit nobody is counted or remembered', async () => {
    const world = limitedWorld({});
    await open(world, 2_000, 2_040);
    expect(world.gateways[0]!.gauges.subscribers).toBe(0);
    expect(questions(world)).toHaveLength(0);
  });

  test('a subscriber that was forgotten is counted before it opens anything', async () => {
    const world = limitedWorld({ bindings: 6 }, { limits: { subscribersMax: 1 } });
    for (let i = 0; i < 12; i++) {
      await open(world, 2_000 + i, 2_000 + i);
      await open(world, 2_000 + i, 2_000 + i, 0, NEIGHBOUR);
      await world.advance(5_000);
    }
    expect(world.sent.filter(({ gateway }) => gateway === 0)).toHaveLength(12);
    expect(world.gateways[0]!.counters.subscribersForgotten).toBeGreaterThan(10);
  });

  test('while the store is away, an opening waits for the count like for any answer', async () => {
    const world = limitedWorld({ bindings: 100 });
    await open(world, 2_000, 2_003);
    world.storeIsAway = true;
    await open(world, 2_004, 2_004);
    await world.advance(500, 50);
    expect(world.sent).toHaveLength(4);
    world.storeIsAway = false;
    await world.advance(500, 50);
    expect(world.sent).toHaveLength(5);
  });
});

test('new bindings per second: a second’s share at once, then as the rate says', async () => {
  const world = limitedWorld({ perS: 8 });
  world.gateways[0]!.setGateways(2);
  await open(world, 2_000, 2_009);
  expect(world.sent).toHaveLength(4);
  expect(world.gateways[0]!.counters.dropSubscriberRate).toBe(6);
  await world.advance(500, 50);
  await open(world, 3_000, 3_009);
  expect(world.sent).toHaveLength(6);
});

type Step =
  | { op: 'open'; gateway: number; ports: number }
  | { op: 'crash'; gateway: number }
  | { op: 'wait'; ms: number }
  | { op: 'sweep' };

const LIMIT = 12;
const BATCH = 3;
const GATEWAYS = 3;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('open' as const),
      gateway: fc.nat({ max: GATEWAYS - 1 }),
      ports: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('crash' as const),
      gateway: fc.nat({ max: GATEWAYS - 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('wait' as const),
      ms: fc.constantFrom(1_000, 6_000, 300_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('sweep' as const) }) },
);

test('over any history, all gateways pass the limit by a batch each, no more', async () => {
  let passed = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const world = limitedWorld({ bindings: LIMIT, batch: BATCH }, { gateways: GATEWAYS });
      let port = 2_000;
      // A gateway that starts anew is another one: it knows nothing of what it opened.
      let gateways = GATEWAYS;
      for (const one of steps) {
        if (one.op === 'open') {
          // All at once: the answers come when everything was asked.
          for (let i = 0; i < one.ports; i++) world.inject(one.gateway, Side.Inside, udp(port++));
          await world.settle();
        } else if (one.op === 'crash') {
          world.gateways[one.gateway] = world.newGateway(one.gateway);
          gateways++;
        } else if (one.op === 'wait') await world.advance(one.ms, 5_000);
        else await world.sweep();
        expect(world.store.counts().rows).toBeLessThanOrEqual(LIMIT + gateways * BATCH);
      }
      if (world.store.counts().rows >= LIMIT) passed++;
      // After a sweep of what idled, all of the limit is to be had again.
      await world.advance(UDP_LIFE_MS + 6_000, 5_000);
      await world.sweep();
      const before = world.sent.length;
      await open(world, 20_000, 20_000 + LIMIT);
      expect(world.sent.length - before).toBe(LIMIT);
    }),
    { numRuns: 40 },
  );
  // The histories are worth something only if they get to the limit.
  expect(passed).toBeGreaterThan(10);
});
