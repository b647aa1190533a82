import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLUSTER_DEFAULTS } from './cluster-config.ts';
import { ICMP, TCP, UDP } from './protocol.ts';
import { IN_DATA, IN_SYN, mergeState, NEVER, OUT_DATA, OUT_SYN } from './state.ts';
import { anyProtocol, anyState } from './testing/arbitraries.ts';
import { deadlineMs, timeoutMs } from './timeouts.ts';

const { timeouts, slack } = CLUSTER_DEFAULTS;
const ESTABLISHED = OUT_SYN | IN_SYN | OUT_DATA | IN_DATA;

test('the default timeouts are at least what the RFCs ask for', () => {
  const established = { flags: ESTABLISHED, seenMs: 1, rstMs: NEVER };
  expect(timeoutMs(timeouts, TCP, established)).toBe(7_440_000);
  expect(timeoutMs(timeouts, TCP, { ...established, rstMs: 2 })).toBe(240_000);
  expect(timeoutMs(timeouts, UDP, established)).toBe(300_000);
  expect(timeoutMs(timeouts, ICMP, established)).toBe(60_000);
});

test('a deadline is never earlier than the last packet plus the timeout', () => {
  fc.assert(
    fc.property(anyProtocol, anyState, (protocol, state) => {
      const idleMs = deadlineMs(timeouts, slack, protocol, state) - state.seenMs;
      expect(idleMs).toBeGreaterThanOrEqual(timeoutMs(timeouts, protocol, state) + slack.outageMs);
    }),
  );
});

test('merging a report never makes a UDP or ICMP deadline earlier', () => {
  fc.assert(
    fc.property(fc.constantFrom(UDP, ICMP), anyState, anyState, (protocol, a, b) => {
      const merged = deadlineMs(timeouts, slack, protocol, mergeState(a, b));
      expect(merged).toBeGreaterThanOrEqual(deadlineMs(timeouts, slack, protocol, a));
    }),
  );
});
