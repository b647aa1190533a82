import { ICMP, TCP } from '@flowstore/flow';
import { IP_OFFSET } from '@flowstore/gateway-core';
import { IPV4_TTL } from '@flowstore/nat';
import { createMemoryLink, type Wire } from '@flowstore/packet-io';
import { describe, expect, test } from 'vitest';
import { reverse, type Tuple, tcpFrame } from './packets.ts';
import { hashTuple, ROUTE_DROP_MS, Router } from './router.ts';

const CLIENT = 0xc612010a;
const SERVER = 0xc633640a;
const flow = (sourcePort: number): Tuple => ({
  protocol: TCP,
  source: CLIENT,
  sourcePort,
  destination: SERVER,
  destinationPort: 80,
});
const FLOWS = Array.from({ length: 400 }, (_, k) => flow(40_000 + k));

function rig() {
  const [host, hostSide] = createMemoryLink('host', 'router');
  const router = new Router({
    hosts: new Map([[CLIENT, hostSide]]),
    isBehindGateways: (address) => address === SERVER,
    seed: 7,
  });
  const gateways = new Map<string, Wire>();
  for (const name of ['gw1', 'gw2']) {
    const [routerSide, gateway] = createMemoryLink('router', name);
    gateways.set(name, gateway);
    router.addRoute(name, routerSide);
  }
  /** Which gateway the packet comes out at; '' where nowhere. */
  const wayOf = (tuple: Tuple, nowMs = 0) => {
    const payload = new Uint8Array(0);
    const frame = tcpFrame(tuple, { sequence: 1, acknowledgement: 1, flags: 16, payload });
    host.send(frame, 0, frame.bytes.length);
    host.flush();
    router.step(nowMs);
    const took = [...gateways].filter(([, wire]) => wire.receive() > 0);
    expect(took.length).toBeLessThanOrEqual(1);
    return took[0]?.[0] ?? '';
  };
  return { router, gateways, host, wayOf };
}

describe('ECMP', () => {
  test('is stable per 5-tuple and uses both gateways', () => {
    const { router, wayOf } = rig();
    const ways = FLOWS.map((tuple) => wayOf(tuple));
    expect(FLOWS.map((tuple) => wayOf(tuple))).toEqual(ways);
    expect(FLOWS.map((tuple) => router.carrierOf(tuple)?.gateway)).toEqual(ways);
    const share = ways.filter((way) => way === 'gw1').length / FLOWS.length;
    expect(share).toBeGreaterThan(0.35);
    expect(share).toBeLessThan(0.65);
  });

  test('often sends the two directions of a connection through different gateways', () => {
    const crossing = FLOWS.filter(
      (tuple) => (hashTuple(tuple, 1) & 1) !== (hashTuple(reverse(tuple), 2) & 1),
    );
    expect(crossing.length / FLOWS.length).toBeGreaterThan(0.35);
    expect(crossing.length / FLOWS.length).toBeLessThan(0.65);
  });

  test('sees no ports in ICMP', () => {
    const ping = { ...flow(5), protocol: ICMP };
    expect(hashTuple(ping, 1)).toBe(hashTuple({ ...ping, sourcePort: 6, destinationPort: 6 }, 1));
  });

  test('drops a lost gateway in time, and gives it its flows back', () => {
    const { router, gateways, wayOf } = rig();
    const before = FLOWS.map((tuple) => wayOf(tuple));
    router.loseLink('gw1', 1_000);
    gateways.get('gw1')!.close();
    // Until the route goes, packets for the dead gateway are lost, as they are in a real network.
    expect(FLOWS.map((tuple) => wayOf(tuple, 1_000))).toEqual(
      before.map((way) => (way === 'gw1' ? '' : way)),
    );
    expect(ROUTE_DROP_MS).toBeLessThanOrEqual(100);
    const after = FLOWS.map((tuple) => wayOf(tuple, 1_000 + ROUTE_DROP_MS));
    expect(new Set(after)).toEqual(new Set(['gw2']));
    const [routerSide, gateway] = createMemoryLink('router', 'gw1');
    gateways.set('gw1', gateway);
    router.addRoute('gw1', routerSide);
    expect(FLOWS.map((tuple) => wayOf(tuple, 2_000))).toEqual(before);
  });

  test('knows no way to what is neither a host nor behind the gateways', () => {
    const { router, wayOf } = rig();
    expect(wayOf({ ...flow(1), destination: 0xc0000201 })).toBe('');
    expect(router.dropNoRoute).toBe(1);
  });

  test('a router takes one from the TTL', () => {
    const { router, gateways, host } = rig();
    const payload = new Uint8Array(0);
    const frame = tcpFrame(flow(1), { sequence: 1, acknowledgement: 1, flags: 16, payload });
    host.send(frame, 0, frame.bytes.length);
    host.flush();
    router.step(0);
    const took = [...gateways.values()].filter((wire) => wire.receive() > 0);
    const { memory } = took[0]!;
    expect(memory.view.getUint8(took[0]!.offset(0) + IP_OFFSET + IPV4_TTL)).toBe(63);
  });
});
