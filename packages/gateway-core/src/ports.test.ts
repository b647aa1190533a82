/** What an outside port has of the inside one (RFC 4787 section 4.2), and tells (RFC 6056). */
import { blockOfPort, TCP, UDP } from '@flowstore/flow';
import type { LeaseRequest } from '@flowstore/flow-store';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { SYN, udpOut } from './testing/traffic.ts';
import { INSIDE, TEST_CONFIG, World, type WorldOptions } from './testing/world.ts';

const one = { ...TEST_CONFIG, pool: ['203.0.113.1/32'] };

/** The outside ports that these inside ports get, each opened at another gateway than the last. */
async function portsOf(options: WorldOptions, inside: readonly number[], protocol = UDP) {
  const world = new World({ gateways: 3, ...options });
  const ports: number[] = [];
  for (const [i, fromPort] of inside.entries()) {
    const packet = { ...udpOut, protocol, fromPort, ...(protocol === TCP && { tcpFlags: SYN }) };
    const [sent] = await world.send(i % 3, Side.Inside, packet);
    ports.push(sent!.fromPort);
  }
  return ports;
}

const parities = (ports: readonly number[]) => ports.map((port) => port % 2);
const mixed = Array.from({ length: 200 }, (_, i) => 2_000 + 7 * i);
const even = Array.from({ length: 400 }, (_, i) => 2_000 + 2 * i);

describe('4787-4: the parity of a port', () => {
  test.each([UDP, TCP])('is kept, whichever gateway opens', async (protocol) => {
    expect(parities(await portsOf({}, mixed, protocol))).toEqual(parities(mixed));
  });

  test('is kept by a host that has even ports alone', async () => {
    expect(new Set(parities(await portsOf({ config: one }, even)))).toEqual(new Set([0]));
  });

  test('is given up before a flow is refused', async () => {
    const world = new World({ config: one, limits: { blocksMax: 1 } });
    const sent: number[] = [];
    for (const fromPort of even.slice(0, 30)) {
      const [packet] = await world.send(0, Side.Inside, { ...udpOut, fromPort });
      sent.push(packet!.fromPort);
    }
    expect(new Set(parities(sent)).size).toBe(2);
  });

  test('is not looked at where the configuration says so', async () => {
    const config = { ...one, preservePortParity: false };
    expect(new Set(parities(await portsOf({ config }, even))).size).toBe(2);
  });
});

test('4787-3a: a port below 1024 keeps its range by a forward; none above gets one', async () => {
  const forward = { protocol: 'udp', outside: '203.0.113.1:123', inside: `${INSIDE}:123` } as const;
  const config = { ...one, portForwards: [{ ...forward, domain: 0 }] };
  const [forwarded, ...others] = await portsOf({ config }, [123, ...mixed]);
  expect(forwarded).toBe(123);
  expect(Math.min(...others)).toBeGreaterThanOrEqual(1_024);
});

test('6888-15 7857-9: ports are drawn at random, and tell nothing of the next', async () => {
  const ports = await portsOf({ config: one }, mixed);
  const steps = ports.slice(1).map((port, i) => port - ports[i]!);
  const times = (step: number) => steps.filter((other) => other === step).length;
  const frequent = Math.max(...steps.map(times));
  expect(frequent).toBeLessThan(5);
  expect(steps.filter((step) => step > 0).length).toBeGreaterThan(0.35 * steps.length);
  expect(steps.filter((step) => step < 0).length).toBeGreaterThan(0.35 * steps.length);
  expect(await portsOf({ config: one, seed: 2 }, mixed)).not.toEqual(ports);
});

test('a lease that is nobody’s any more is given up as soon as the feed tells', async () => {
  const { heartbeatMs, leaseMs } = TEST_CONFIG;
  const world = new World();
  const [sent] = await world.send(0, Side.Inside, udpOut);
  await world.advance(2 * heartbeatMs);
  const { requests } = world.calls.find(({ operation }) => operation === 'lease')!;
  const [{ protocol, address, incarnation }] = requests as [LeaseRequest];
  const block = blockOfPort(sent!.fromPort);
  // As if a call of its own came late that gave it back.
  const ref = { protocol, address, block, incarnation };
  expect(await world.store.release([ref])).toEqual([{ kind: 'released' }]);
  expect(2 * heartbeatMs).toBeLessThan(leaseMs / 3);
  await world.advance(2 * heartbeatMs);
  expect(world.gateways[0]!.counters.blocksLost).toBe(1);
});
