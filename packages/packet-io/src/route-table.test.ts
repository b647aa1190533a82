import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RouteHop, RouteMessage } from './netlink/route.ts';
import { RouteTable } from './route-table.ts';
import { parseAddress } from './testing/udp-frame.ts';

function route(prefix: string, index: number, more: Partial<RouteMessage> = {}): RouteMessage {
  const [address, bits] = prefix.split('/');
  return {
    kind: 'route',
    removed: false,
    destination: parseAddress(address),
    prefixBits: Number(bits),
    metric: 0,
    unicast: true,
    hops: [{ index, gateway: 0, weight: 1 }],
    ...more,
  };
}

const all = () => true;
const at = (table: RouteTable, address: string, usable: (hop: RouteHop) => boolean = all) =>
  table.lookup(parseAddress(address), usable)?.index;

describe('the route table', () => {
  test('the longest prefix wins, the default is last', () => {
    const table = new RouteTable([
      route('0.0.0.0/0', 1),
      route('198.51.100.0/24', 2),
      route('198.51.100.128/25', 3),
      route('198.51.100.200/32', 4),
    ]);
    expect(at(table, '203.0.113.1')).toBe(1);
    expect(at(table, '198.51.100.1')).toBe(2);
    expect(at(table, '198.51.100.129')).toBe(3);
    expect(at(table, '198.51.100.200')).toBe(4);
    expect(at(new RouteTable([]), '198.51.100.200')).toBe(undefined);
  });

  test('of one prefix the lowest metric wins, then the first', () => {
    const table = new RouteTable([
      route('198.18.0.0/15', 1, { metric: 20 }),
      route('198.18.0.0/15', 2, { metric: 10 }),
      route('198.18.0.0/15', 3, { metric: 10 }),
    ]);
    expect(at(table, '198.19.1.1')).toBe(2);
    expect(at(table, '198.19.1.1', (hop) => hop.index !== 2)).toBe(3);
    expect(at(table, '198.19.1.1', (hop) => hop.index === 1)).toBe(1);
  });

  test('without usable hop the shorter prefix answers; unreachable ends the search', () => {
    const table = new RouteTable([
      route('0.0.0.0/0', 1),
      route('198.18.0.0/24', 2),
      route('198.18.1.0/24', 0, { unicast: false, hops: [] }),
    ]);
    expect(at(table, '198.18.0.1', (hop) => hop.index !== 2)).toBe(1);
    expect(at(table, '198.18.1.1')).toBe(undefined);
  });

  test('several hops share the destinations by weight; each destination keeps its hop', () => {
    const hops = [
      { index: 1, gateway: 1, weight: 3 },
      { index: 2, gateway: 2, weight: 1 },
    ];
    const table = new RouteTable([route('0.0.0.0/0', 0, { hops })]);
    const counts = [0, 0, 0];
    for (let k = 0; k < 4000; k++) {
      const destination = parseAddress('198.18.0.0') + k;
      const first = table.lookup(destination, all)!;
      expect(table.lookup(destination | 0, all)).toBe(first);
      counts[first.index]++;
    }
    expect(counts[1] / counts[2]).toBeGreaterThan(2.4);
    expect(counts[1] / counts[2]).toBeLessThan(3.6);
  });

  test('agrees with asking every route', () => {
    const prefix = fc.tuple(fc.nat(0xffffffff), fc.nat(32)).map(([address, bits]) => {
      const mask = bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0;
      return { destination: (address & mask) >>> 0, prefixBits: bits };
    });
    const near = fc.tuple(prefix, fc.nat(255));
    fc.assert(
      fc.property(fc.array(prefix, { maxLength: 30 }), fc.array(near), (prefixes, probes) => {
        const routes = prefixes.map((each, k) => route('0.0.0.0/0', k + 1, each));
        const table = new RouteTable(routes);
        const destinations = [...prefixes, ...probes.map(([each]) => each)].map(
          (each, k) => (each.destination + (k % 3)) >>> 0,
        );
        for (const destination of destinations) {
          let best: RouteMessage | undefined;
          for (const each of routes) {
            const host = 2 ** (32 - each.prefixBits);
            const inside = Math.floor(destination / host) === Math.floor(each.destination / host);
            if (inside && (best === undefined || each.prefixBits > best.prefixBits)) best = each;
          }
          expect(table.lookup(destination, all)).toBe(best?.hops[0]);
        }
      }),
    );
  });
});
