import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressHeader,
  attributes,
  concat,
  linkHeader,
  message,
  neighbourHeader,
  routeHeader,
  u32be,
  u32le,
} from '../testing/netlink-bytes.ts';
import { parseAddress } from '../testing/udp-frame.ts';
import { type NetlinkMessage, readMessages } from './message.ts';
import { writeDumpRequest, writeUseNeighbour } from './request.ts';

function read(bytes: Uint8Array): { whole: boolean; messages: NetlinkMessage[] } {
  const messages: NetlinkMessage[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = readMessages(view, bytes.length, (each) => messages.push(each));
  return { whole, messages };
}

const text = (value: string) => new TextEncoder().encode(`${value}\0`);
const ip = (value: string) => u32be(parseAddress(value));
const MAC = Uint8Array.of(0x02, 0x11, 0x22, 0x33, 0x44, 0x55);

const LINK = message({
  type: 16,
  header: linkHeader(7, true),
  attributes: [
    [1, MAC],
    [3, text('r0')],
    [4, u32le(1500)],
  ],
});
const ROUTE = message({
  type: 24,
  flags: 2,
  sequence: 9,
  header: routeHeader(24),
  attributes: [
    [1, ip('198.51.100.0')],
    [4, u32le(3)],
    [5, ip('198.18.0.9')],
    [6, u32le(100)],
    [15, u32le(254)],
  ],
});

describe('netlink messages', () => {
  test('a link', () => {
    expect(read(LINK).messages).toEqual([
      {
        kind: 'link',
        removed: false,
        index: 7,
        name: 'r0',
        up: true,
        mtu: 1500,
        mac: { high: 0x02112233, low: 0x4455 },
        sequence: 0,
        multi: false,
        interrupted: false,
      },
    ]);
  });

  test('a link without Ethernet has no MAC for us', () => {
    const bytes = message({ type: 17, header: linkHeader(1, false, 772), attributes: [[1, MAC]] });
    expect(read(bytes).messages[0]).toMatchObject({ removed: true, up: false, mac: undefined });
  });

  test('an address: our own end, not the peer', () => {
    const bytes = message({
      type: 20,
      header: addressHeader(4, 30),
      attributes: [
        [1, ip('198.18.0.2')],
        [2, ip('198.18.0.1')],
        [4, ip('198.18.0.3')],
      ],
    });
    expect(read(bytes).messages[0]).toMatchObject({
      kind: 'address',
      index: 4,
      prefixBits: 30,
      local: parseAddress('198.18.0.1'),
      broadcast: parseAddress('198.18.0.3'),
    });
  });

  test('a route of a dump', () => {
    expect(read(ROUTE).messages[0]).toMatchObject({
      kind: 'route',
      sequence: 9,
      multi: true,
      destination: parseAddress('198.51.100.0'),
      prefixBits: 24,
      metric: 100,
      unicast: true,
      hops: [{ index: 3, gateway: parseAddress('198.18.0.9'), weight: 1 }],
    });
  });

  test('a route with several hops: dead ones and foreign gateways are left out', () => {
    const hop = (flags: number, index: number, list: [number, Uint8Array][]) => {
      const tail = attributes(list);
      const head = concat(Uint8Array.of(8 + tail.length, 0, flags, 4), u32le(index));
      return concat(head, tail);
    };
    const hops = concat(
      hop(0, 3, [[5, ip('198.18.0.9')]]),
      hop(1, 4, [[5, ip('198.18.0.10')]]),
      hop(0, 5, []),
      hop(0, 6, [[18, new Uint8Array(18)]]),
    );
    const bytes = message({ type: 24, header: routeHeader(0), attributes: [[9, hops]] });
    expect(read(bytes).messages[0]).toMatchObject({
      hops: [
        { index: 3, gateway: parseAddress('198.18.0.9'), weight: 5 },
        { index: 5, gateway: 0, weight: 5 },
      ],
    });
  });

  test('routes of other tables, cloned or conditional ones do not concern us', () => {
    const conditional = routeHeader(8);
    conditional[3] = 16;
    for (const header of [routeHeader(8, 255), routeHeader(8, 254, 1, 0x200), conditional]) {
      expect(read(message({ type: 24, header })).messages[0].kind).toBe('other');
    }
    const table = message({ type: 24, header: routeHeader(8), attributes: [[15, u32le(1000)]] });
    expect(read(table).messages[0].kind).toBe('other');
  });

  test('an unreachable route leads nowhere', () => {
    const bytes = message({ type: 24, header: routeHeader(8, 254, 7) });
    expect(read(bytes).messages[0]).toMatchObject({ unicast: false, hops: [] });
  });

  test('a neighbour', () => {
    const bytes = message({
      type: 28,
      header: neighbourHeader(3, 2),
      attributes: [
        [1, ip('198.18.0.9')],
        [2, MAC],
      ],
    });
    expect(read(bytes).messages[0]).toMatchObject({
      kind: 'neighbour',
      index: 3,
      state: 2,
      address: parseAddress('198.18.0.9'),
      mac: { high: 0x02112233, low: 0x4455 },
    });
  });

  test('answers, overruns, and what is not IPv4', () => {
    const done = message({ type: 3, flags: 2, sequence: 5, header: u32le(0) });
    const error = message({ type: 2, sequence: 6, header: u32le(-16) });
    const overrun = message({ type: 4, header: new Uint8Array(0) });
    const ipv6 = message({ type: 24, header: routeHeader(8).with(0, 10) });
    const { whole, messages } = read(concat(done, error, overrun, ipv6));
    expect(whole).toBe(true);
    expect(messages.map((each) => each.kind)).toEqual(['done', 'error', 'overrun', 'other']);
    expect(messages[1]).toMatchObject({ errno: 16, sequence: 6 });
  });

  test('a length that lies ends the reading', () => {
    for (const length of [0, 15, LINK.length + 4, 0xffffffff]) {
      const bytes = LINK.slice();
      bytes.set(u32le(length));
      expect(read(bytes)).toEqual({ whole: false, messages: [] });
    }
    const attribute = LINK.slice();
    attribute.set([200, 0], 32);
    expect(read(attribute).whole).toBe(false);
  });

  test('whatever is cut off or flipped: no exception, no endless loop', () => {
    const good = fc.constantFrom(LINK, ROUTE, concat(LINK, ROUTE));
    const flips = fc.array(fc.tuple(fc.nat(255), fc.nat(255)), { maxLength: 8 });
    fc.assert(
      fc.property(good, flips, fc.nat(200), (bytes, list, cut) => {
        const broken = bytes.slice(0, Math.max(0, bytes.length - cut));
        for (const [at, value] of list) if (at < broken.length) broken[at] = value;
        read(broken);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        read(bytes);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('netlink requests', () => {
  test('use of a neighbour reads back as that neighbour', () => {
    const bytes = new Uint8Array(64).fill(0xff);
    const address = parseAddress('198.18.0.9');
    const length = writeUseNeighbour(new DataView(bytes.buffer), 77, 3, address);
    const { whole, messages } = read(bytes.subarray(0, length));
    expect(whole).toBe(true);
    expect(messages[0]).toMatchObject({ kind: 'neighbour', index: 3, address, state: 0 });
    expect(messages[0].sequence).toBe(77);
  });

  test('a dump request is a header and an empty body of IPv4', () => {
    const bytes = new Uint8Array(64).fill(0xff);
    const length = writeDumpRequest(new DataView(bytes.buffer), 26, 5);
    expect([...bytes.subarray(0, length)]).toEqual([
      ...[32, 0, 0, 0, 26, 0, 1, 3, 5, 0, 0, 0, 0, 0, 0, 0],
      ...[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]);
  });
});
