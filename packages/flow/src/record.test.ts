import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  packBindingRecord,
  packFlowRecord,
  packLeaseRecord,
  packPortRow,
  unpackBindingRecord,
  unpackFlowRecord,
  unpackLeaseRecord,
  unpackPortRow,
} from './record.ts';
import { anyEndpoint, anyFlowRecord, anySocketAddress } from './testing/arbitraries.ts';

const anyInstant = fc.maxSafeNat().map((value) => value % 2 ** 48);

test('flow and binding records survive packing, 25 bytes and an address more', () => {
  fc.assert(
    fc.property(anyFlowRecord, anySocketAddress, (flow, outside) => {
      expect(unpackFlowRecord(packFlowRecord(flow))).toEqual(flow);
      expect(packFlowRecord(flow)).toHaveLength(25);
      expect(unpackBindingRecord(packBindingRecord({ ...flow, outside }))).toEqual({
        ...flow,
        outside,
      });
    }),
  );
});

test('port rows survive packing, held or in quarantine, with or without the last holder', () => {
  fc.assert(
    fc.property(anyEndpoint, anyFlowRecord, anyInstant, (inside, flow, untilMs) => {
      const identity = { generation: flow.generation, nonce: flow.nonce };
      for (const row of [
        { kind: 'bound', identity, inside },
        { kind: 'quarantined', untilMs, inside },
        { kind: 'quarantined', untilMs, inside: null },
      ] as const) {
        expect(unpackPortRow(packPortRow(row))).toEqual(row);
      }
    }),
  );
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
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      expect(() => unpackFlowRecord(bytes)).toThrow(RangeError);
      expect(() => unpackBindingRecord(bytes)).toThrow(RangeError);
      expect(() => unpackLeaseRecord(bytes)).toThrow(RangeError);
    }),
  );
  expect(() => unpackPortRow(Uint8Array.of(1, 2, 3))).toThrow(RangeError);
});
