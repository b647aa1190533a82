import {
  ANY_PROTOCOL,
  formatSockets,
  ICMP,
  PORTS,
  parseIpv4Number,
  type StaticRule,
  staticRules,
  TCP,
  UDP,
} from '@flowstore/flow';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StaticRules } from './static-rules.ts';

const RULES = new StaticRules(
  staticRules({
    portForwards: [
      { protocol: 'tcp', outside: '203.0.113.5:8080-8089', inside: '198.18.1.10:80-89', domain: 0 },
      { protocol: 'udp', outside: '203.0.113.5:53', inside: '198.18.1.10:53', domain: 0 },
      { protocol: 'udp', outside: '203.0.113.6:53', inside: '198.18.1.10:53', domain: 7 },
    ],
    oneToOne: [{ outside: '203.0.113.64/30', inside: '198.18.2.8/30', domain: 0 }],
  }),
);

function outside(protocol: number, address: string, port: number): string | null {
  if (!RULES.matchOutside(protocol, parseIpv4Number(address), port)) return null;
  return `${RULES.domain} ${formatSockets(RULES.address * PORTS + RULES.port, 1)}`;
}

function inside(domain: number, protocol: number, address: string, port: number): string | null {
  if (!RULES.matchInside(domain, protocol, parseIpv4Number(address), port)) return null;
  return formatSockets(RULES.address * PORTS + RULES.port, 1);
}

describe('static rules', () => {
  test('a run of ports is another run of ports, in order, for its protocol alone', () => {
    expect(outside(TCP, '203.0.113.5', 8080)).toBe('0 198.18.1.10:80');
    expect(outside(TCP, '203.0.113.5', 8089)).toBe('0 198.18.1.10:89');
    expect(outside(TCP, '203.0.113.5', 8090)).toBeNull();
    expect(outside(TCP, '203.0.113.5', 8079)).toBeNull();
    expect(outside(UDP, '203.0.113.5', 8080)).toBeNull();
    expect(inside(0, TCP, '198.18.1.10', 84)).toBe('203.0.113.5:8084');
    expect(inside(7, TCP, '198.18.1.10', 84)).toBeNull();
  });

  test('one inside endpoint in two domains has two outside ones', () => {
    expect(inside(0, UDP, '198.18.1.10', 53)).toBe('203.0.113.5:53');
    expect(inside(7, UDP, '198.18.1.10', 53)).toBe('203.0.113.6:53');
    expect(outside(UDP, '203.0.113.6', 53)).toBe('7 198.18.1.10:53');
  });

  test('a one-to-one address has all protocols and ports', () => {
    for (const protocol of [ICMP, TCP, UDP, 47]) {
      expect(outside(protocol, '203.0.113.66', 1)).toBe('0 198.18.2.10:1');
      expect(inside(0, protocol, '198.18.2.11', 65_535)).toBe('203.0.113.67:65535');
      expect(outside(protocol, '203.0.113.68', 0)).toBeNull();
    }
  });

  test('a look-up allocates nothing', () => {
    const look = () => {
      for (let k = 0; k < 300_000; k++) RULES.matchOutside(TCP, 0xcb007105, 8_000 + (k & 255));
    };
    for (let k = 0; k < 5; k++) look();
    const before = process.memoryUsage().heapUsed;
    look();
    expect((process.memoryUsage().heapUsed - before) / 300_000).toBeLessThan(4);
  });

  test('agrees with a search through all rules, both ways', () => {
    const disjoint = fc
      .array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 20 }), fc.nat(2), fc.nat(1)), {
        maxLength: 30,
      })
      .map((items) => {
        // Gaps and lengths in turn, so that no two overlap; some are one-to-one, for any protocol.
        let at = 0x0a000000 * PORTS;
        return items.map(([gap, count, kind, domain]): StaticRule => {
          const protocol = [TCP, UDP, ANY_PROTOCOL][kind]!;
          const first = at + gap;
          at = first + count;
          return { domain, protocol, outside: first, inside: first + 2 ** 40, count };
        });
      });
    fc.assert(
      fc.property(
        disjoint,
        fc.nat(700),
        fc.constantFrom(TCP, UDP),
        fc.nat(1),
        (rules, at, p, d) => {
          const table = new StaticRules(rules);
          const socket = 0x0a000000 * PORTS + at;
          const has = (rule: StaticRule, first: number, number: number) =>
            (rule.protocol === p || rule.protocol === ANY_PROTOCOL) &&
            first <= number &&
            number < first + rule.count;
          const expected = rules.find((rule) => has(rule, rule.outside, socket));
          const found = table.matchOutside(p, Math.floor(socket / PORTS), socket % PORTS);
          expect(found).toBe(expected !== undefined);
          if (expected !== undefined) {
            expect(table.address * PORTS + table.port).toBe(socket + 2 ** 40);
            expect(table.domain).toBe(expected.domain);
          }
          const own = socket + 2 ** 40;
          const back = rules.find((rule) => rule.domain === d && has(rule, rule.inside, own));
          const foundBack = table.matchInside(d, p, Math.floor(own / PORTS), own % PORTS);
          expect(foundBack).toBe(back !== undefined);
          if (back !== undefined) expect(table.address * PORTS + table.port).toBe(socket);
        },
      ),
    );
  });
});
