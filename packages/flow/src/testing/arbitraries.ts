/** fast-check generators of the words, for the property tests of this and other packages. */
import fc from 'fast-check';
import type { Endpoint, SocketAddress } from '../endpoint.ts';
import { DOMAIN_MAX } from '../endpoint.ts';
import type { FlowKey } from '../flow-key.ts';
import { ICMP, TCP, UDP } from '../protocol.ts';
import type { FlowRecord } from '../record.ts';
import { FLAGS_MASK, type FlowState } from '../state.ts';

const UINT48_MAX = 2 ** 48 - 1;

export const anyIpv4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
export const anyIpv6 = fc.uint8Array({ minLength: 16, maxLength: 16 });
export const anyAddress = fc.oneof(anyIpv4, anyIpv6);
export const anyPort = fc.nat(0xffff);
export const anyProtocol = fc.constantFrom(ICMP, TCP, UDP);

export const anySocketAddress: fc.Arbitrary<SocketAddress> = fc.record({
  address: anyAddress,
  port: anyPort,
});

export const anyEndpoint: fc.Arbitrary<Endpoint> = fc.record({
  domain: fc.nat(DOMAIN_MAX),
  protocol: anyProtocol,
  address: anyAddress,
  port: anyPort,
});

export const anyFlowKey: fc.Arbitrary<FlowKey> = fc
  .constantFrom(anyIpv4, anyIpv6)
  .chain((anyOfFamily) =>
    fc.record({
      domain: fc.nat(0xffffff),
      protocol: anyProtocol,
      source: anyOfFamily,
      sourcePort: anyPort,
      destination: anyOfFamily,
      destinationPort: anyPort,
    }),
  );

export const anyState: fc.Arbitrary<FlowState> = fc.record({
  flags: fc.nat(FLAGS_MASK),
  seenMs: fc.nat(100),
  rstMs: fc.nat(100),
});

export const anyFlowRecord: fc.Arbitrary<FlowRecord> = fc.record({
  generation: fc.maxSafeNat(),
  nonce: fc.nat(0xffffffff),
  flags: fc.nat(FLAGS_MASK),
  seenMs: fc.maxSafeNat().map((value) => value % UINT48_MAX),
  rstMs: fc.maxSafeNat().map((value) => value % UINT48_MAX),
});
