import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packSocketAddress } from './endpoint.ts';
import {
  type BoundRow,
  packBoundRow,
  packFlowRecord,
  packLeaseRecord,
  packQuarantineMark,
  unpackBoundRow,
  unpackEntry,
  unpackFlowRecord,
  unpackLeaseRecord,
  unpackPortRow,
} from './record.ts';
import { anyEndpoint, anyFlowRecord, anySocketAddress } from './testing/arbitraries.ts';

const anyInstant = fc.maxSafeNat().map((value) => value % 2 ** 48);

test('flow records survive packing, in 25 bytes', () => {
  fc.assert(
    fc.property(anyFlowRecord, (flow) => {
      expect(unpackFlowRecord(packFlowRecord(flow))).toEqual(flow);
      expect(packFlowRecord(flow)).toHaveLength(25);
    }),
  );
});

const anyRow: fc.Arbitrary<BoundRow> = fc
  .record({
    flow: anyFlowRecord,
    own: anyFlowRecord,
    inside: anyEndpoint,
    remote: anySocketAddress,
    shape: fc.constantFrom('plain', 'single', 'own', 'elsewhere'),
    hasMore: fc.boolean(),
  })
  .map(({ flow, own, inside, remote, shape, hasMore }): BoundRow => {
    const { generation, nonce, ...state } = flow;
    const identity = { generation, nonce };
    const row = { kind: 'bound', identity, inside, state: null, first: null } as const;
    if (shape === 'plain') return { ...row, state, hasMore: false };
    if (shape === 'elsewhere') return { ...row, hasMore };
    const first = { ...(shape === 'own' ? own : flow), remote };
    return { ...row, first, hasMore };
  });

test('rows of bound ports survive packing, whatever flows they hold', () => {
  fc.assert(
    fc.property(anyRow, (row) => {
      expect(unpackBoundRow(packBoundRow(row))).toEqual(row);
      expect(unpackPortRow(packBoundRow(row))).toEqual(row);
    }),
  );
});

test('a row of IPv4 endpoints has at most 64 bytes: Redis then packs its block', () => {
  const address = Uint8Array.of(198, 18, 1, 10);
  const remote = { address, port: 443 };
  const state = { flags: 63, seenMs: 1, rstMs: 1 };
  const row: BoundRow = {
    kind: 'bound',
    identity: { generation: 1, nonce: 1 },
    inside: { domain: 7, protocol: 6, address, port: 1 },
    state: null,
    first: { generation: 2, nonce: 2, ...state, remote },
    hasMore: true,
  };
  expect(packBoundRow(row).length).toBeLessThanOrEqual(64);
  expect(
    packBoundRow({ ...row, first: { ...row.first!, generation: 1, nonce: 1, rstMs: 0 } }),
  ).toHaveLength(36);
  expect(
    packBoundRow({ ...row, first: null, state: { ...state, rstMs: 0 }, hasMore: false }),
  ).toHaveLength(30);
});

test('quarantine marks survive packing, with or without the last holder', () => {
  fc.assert(
    fc.property(anyEndpoint, anyInstant, (inside, untilMs) => {
      for (const holder of [inside, null]) {
        const mark = { kind: 'quarantined', untilMs, inside: holder } as const;
        expect(unpackPortRow(packQuarantineMark(mark))).toEqual(mark);
      }
    }),
  );
});

test('an entry is a number that Redis makes no string of, or an IPv6 endpoint', () => {
  const address = Uint8Array.of(203, 0, 113, 1);
  const text = new TextEncoder().encode(String(0xcb007101 * 65_536 + 1_024));
  expect(unpackEntry(text)).toEqual({ address, port: 1_024 });
  expect(unpackEntry(packSocketAddress({ address: new Uint8Array(16), port: 1 }))).toEqual({
    address: new Uint8Array(16),
    port: 1,
  });
  for (const wrong of ['', 'x', '-1', '1.5', '281474976710656']) {
    expect(() => unpackEntry(new TextEncoder().encode(wrong))).toThrow(RangeError);
  }
});

test('leases survive packing', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), anyInstant, (id, untilMs) => {
      const lease = { incarnation: id.toString(16).padStart(16, '0'), untilMs };
      expect(unpackLeaseRecord(packLeaseRecord(lease))).toEqual(lease);
    }),
  );
});

test('bytes that are no record are refused, not read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
      expect(() => unpackFlowRecord(bytes)).toThrow(RangeError);
      expect(() => unpackPortRow(bytes)).toThrow(RangeError);
      expect(() => unpackLeaseRecord(bytes)).toThrow(RangeError);
    }),
  );
  expect(() => unpackPortRow(Uint8Array.of(1, 2, 3))).toThrow(RangeError);
});
