/** IPv6 rows: the same promises, addresses of 16 bytes, beside IPv4 rows in one table. */
import { FlowStatus, OUTSIDE_DOMAIN, packFlowKey, parseAddress } from '@flowstore/flow';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Addresses6 } from './addresses6.ts';
import type { FlowInput6 } from './flow-input.ts';
import { FlowTable } from './flow-table.ts';
import { KeyHash } from './key-hash.ts';
import { NONE } from './none.ts';
import type { FlowKeys6 } from './rows.ts';
import { findBoth, flowOf, put, START_MS } from './testing.ts';
import { OUTBOUND } from './traffic.ts';

const DUE_MS = START_MS + 60_000;

function flow6Of(n: number, overrides: Partial<FlowInput6> = {}): FlowInput6 {
  return {
    ...flowOf(n),
    insideAddress: parseAddress(`2001:db8:1::${(n >>> 16).toString(16)}`),
    remoteAddress: parseAddress('2001:db8:2::aaaa:1'),
    outsideAddress: parseAddress(`2001:db8:3::${(n >>> 16).toString(16)}`),
    ...overrides,
  };
}

function outbound6(keys: FlowKeys6): Uint32Array {
  const { domain, protocol, insideAddress, insidePort, remoteAddress, remotePort } = keys;
  const destination = { destination: remoteAddress, destinationPort: remotePort };
  return packFlowKey({
    domain,
    protocol,
    source: insideAddress,
    sourcePort: insidePort,
    ...destination,
  });
}

function inbound6(keys: FlowKeys6): Uint32Array {
  const { protocol, outsideAddress, outsidePort, remoteAddress, remotePort } = keys;
  const destination = { destination: outsideAddress, destinationPort: outsidePort };
  return packFlowKey({
    domain: OUTSIDE_DOMAIN,
    protocol,
    source: remoteAddress,
    sourcePort: remotePort,
    ...destination,
  });
}

function findBoth6(table: FlowTable, keys: FlowKeys6, nowMs = START_MS): number {
  const outbound = table.find6(outbound6(keys), nowMs);
  expect(table.find6(new Int32Array(inbound6(keys)), nowMs)).toBe(outbound);
  return outbound;
}

function put6(table: FlowTable, flow: FlowInput6, nowMs = START_MS) {
  const result = table.put6(flow, nowMs);
  if (result.kind === 'full') throw new Error('the table is full');
  return result;
}

const newTable = (capacityMax = 1_000) => new FlowTable({ capacityMax, seed: 5, nowMs: START_MS });

describe('an IPv6 row', () => {
  test('is found by both keys, and keeps every field to its last bit', () => {
    const table = newTable();
    const flow = flow6Of(7, {
      domain: 0xfffffe,
      protocol: 255,
      insideAddress: new Uint8Array(16).fill(0xff),
      remoteAddress: new Uint8Array(16).map((_, i) => 0x80 + i),
      outsideAddress: new Uint8Array(16).fill(0x80),
      insidePort: 65_535,
      remotePort: 65_534,
      outsidePort: 65_533,
      flags: 255,
      confirmedMs: 1.5,
      touchDueMs: 2.5,
      marks: 65_535,
    });
    const { slot } = put6(table, flow);
    expect(findBoth6(table, flow)).toBe(slot);
    expect(table.flow6At(slot)).toEqual(flow);
    expect(table.isIpv6(slot)).toBe(true);
  });

  test('is none that differs in a byte of an address, in a port, protocol or domain', () => {
    const table = newTable();
    const flow = flow6Of(1);
    const { slot } = put6(table, flow);
    for (const field of ['insideAddress', 'remoteAddress', 'outsideAddress'] as const) {
      for (let i = 0; i < 16; i++) {
        const other = flow6Of(1, { [field]: flow[field].with(i, flow[field][i]! ^ 0x80) });
        const keys = [outbound6(other), inbound6(other)];
        const found = keys.map((key) => table.find6(key, START_MS));
        const expected = [
          field === 'outsideAddress' ? slot : NONE,
          field === 'insideAddress' ? slot : NONE,
        ];
        expect(found).toEqual(expected);
      }
    }
    expect(table.find6(outbound6({ ...flow, insidePort: 2 }), START_MS)).toBe(NONE);
    expect(table.find6(outbound6({ ...flow, domain: 1 }), START_MS)).toBe(NONE);
    expect(table.find6(inbound6({ ...flow, outsidePort: 2 }), START_MS)).toBe(NONE);
    expect(table.find6(inbound6({ ...flow, protocol: 17 }), START_MS)).toBe(NONE);
  });

  test('has the one timer, the handle and the counts of any other', () => {
    const table = newTable();
    const first = put6(table, flow6Of(1));
    table.count(first.slot, OUTBOUND, 100);
    const second = put6(table, flow6Of(1));
    expect(second.kind).toBe('replaced');
    expect(table.status(first.handle)).toBe(FlowStatus.Detached);
    expect(table.traffic.bytes(second.slot, OUTBOUND)).toBe(100);
    expect(findBoth6(table, flow6Of(1), DUE_MS)).toBe(NONE);
    expect([table.poll(DUE_MS), table.due[0]]).toEqual([1, second.handle]);
    const third = put6(table, { ...table.flow6At(second.slot), deadlineMs: DUE_MS + 1 }, DUE_MS);
    expect(findBoth6(table, flow6Of(1), DUE_MS)).toBe(third.slot);
    expect(table.size).toBe(1);
  });

  test('takes the place of a row that holds its other key, and of no IPv4 row', () => {
    const table = newTable();
    const ipv4 = put(table, flowOf(1));
    put6(table, flow6Of(1));
    const { outsideAddress, outsidePort } = flow6Of(1);
    const stealing = put6(table, flow6Of(2, { outsideAddress, outsidePort }));
    expect(stealing.kind).toBe('replaced');
    expect(table.size).toBe(2);
    expect(findBoth(table, flowOf(1), START_MS)).toBe(ipv4.slot);
    expect(table.flowAt(ipv4.slot)).toMatchObject(flowOf(1));
  });

  test('must have addresses of 16 bytes', () => {
    const short = flow6Of(1, { remoteAddress: new Uint8Array(4) });
    expect(() => newTable().put6(short, START_MS)).toThrow(RangeError);
  });

  test('IPv4 and IPv6 rows come and go in the same slots, each found as what it is', () => {
    const steps = fc.array(fc.tuple(fc.nat(20), fc.boolean(), fc.boolean()), {
      maxLength: 200,
      size: 'max',
    });
    const run = fc.property(steps, fc.nat(), (list, seed) => {
      const table = new FlowTable({ capacityMax: 12, seed, nowMs: START_MS });
      const held = { ipv4: new Map<number, number>(), ipv6: new Map<number, number>() };
      for (const [n, isIpv6, removes] of list) {
        const of = isIpv6 ? held.ipv6 : held.ipv4;
        if (removes) {
          const slot = of.get(n);
          if (slot !== undefined) table.remove(slot);
          of.delete(n);
          continue;
        }
        const result = isIpv6 ? table.put6(flow6Of(n), START_MS) : table.put(flowOf(n), START_MS);
        if (result.kind !== 'full') of.set(n, result.slot);
      }
      for (let n = 0; n <= 20; n++) {
        expect(findBoth(table, flowOf(n), START_MS)).toBe(held.ipv4.get(n) ?? NONE);
        expect(findBoth6(table, flow6Of(n))).toBe(held.ipv6.get(n) ?? NONE);
      }
      for (const [n, slot] of held.ipv6) expect(table.flow6At(slot)).toEqual(fields6(n));
      expect(table.size).toBe(held.ipv4.size + held.ipv6.size);
    });
    fc.assert(run, { numRuns: 500 });
  });
});

function fields6(n: number): FlowInput6 {
  return { ...flow6Of(n), confirmedMs: 0, touchDueMs: 0, marks: 0 };
}

describe("IPv6 addresses' memory", () => {
  test('is none without IPv6, and of as many entries as there were flows at once', () => {
    const addresses = new Addresses6(1_000);
    expect(addresses.words.length).toBe(0);
    for (let round = 0; round < 50; round++) {
      const taken = [1, 2, 3].map(() => addresses.take());
      expect(new Set(taken).size).toBe(3);
      for (const entry of taken) addresses.release(entry);
    }
    expect(addresses.used).toBe(3);
  });

  test('is given back with the row, whatever takes it out', () => {
    const table = newTable(2);
    for (let n = 0; n < 5_000; n++) {
      const { slot } = put6(table, flow6Of(n));
      if (n % 3 === 0) table.remove(slot);
      else if (n % 3 === 1) table.cancel(slot);
      else put6(table, flow6Of(n));
      if (table.size === 2) table.remove(slot);
      if (table.size === 2) table.remove(table.nextSlot(0));
    }
    // More entries than rows would be beyond the array: the addresses would read as zeros.
    const { slot } = put6(table, flow6Of(9));
    expect(table.flow6At(slot)).toEqual(fields6(9));
  });
});

test('the hash of an IPv6 key depends on each of its bits', () => {
  const hash = new KeyHash(3);
  const key = outbound6(flow6Of(1));
  const seen = new Set([hash.of6(key)]);
  for (let bit = 0; bit < 320; bit++) {
    key[bit >>> 5]! ^= 1 << (bit & 31);
    seen.add(hash.of6(key));
    key[bit >>> 5]! ^= 1 << (bit & 31);
  }
  expect(seen.size).toBe(321);
});
