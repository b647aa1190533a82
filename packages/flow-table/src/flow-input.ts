import { DOMAIN_MAX, type FlowState, type Identity, IPV6_BYTES } from '@flowstore/flow';
import type { Handle } from './handle.ts';
import type { FlowKeys, FlowKeys6 } from './rows.ts';

/**
 * A flow as it is put into the table. A record that is a binding alone (UDP and ICMP under
 * endpoint-independent mapping) has remote 0.0.0.0 port 0.
 */
export interface FlowInput extends FlowKeys, FlowFacts {}

/** The same for IPv6; a binding alone has remote :: port 0. */
export interface FlowInput6 extends FlowKeys6, FlowFacts {}

export interface FlowFacts extends Identity, FlowState {
  /** The first instant at which the flow is over; Infinity for never. */
  readonly deadlineMs: number;
  /** The caller's own columns; 0 where absent. */
  readonly confirmedMs?: number;
  readonly touchDueMs?: number;
  /** Sixteen bits of the caller's. */
  readonly marks?: number;
}

export type PutResult =
  | { readonly kind: 'inserted'; readonly slot: number; readonly handle: Handle }
  /** At least one of the keys was held by another row, Active or Expired, which is Detached now. */
  | { readonly kind: 'replaced'; readonly slot: number; readonly handle: Handle }
  /** The table holds as many flows as it may; nothing was changed. */
  | { readonly kind: 'full' };

export const FULL: PutResult = { kind: 'full' };

/** What happened since the table was made. */
export interface FlowTableCounters {
  inserted: number;
  /** Puts that replaced at least one row. */
  replaced: number;
  removed: number;
  cancelled: number;
  /** Rows marked Expired, by the timer or by a lookup that came first. */
  expired: number;
  /** Rows freed by the purge. */
  purged: number;
  fullRefusals: number;
  /** Timers looked at: due, found extended, or on their way down the wheel. */
  timerSteps: number;
  /** Once per crossing of the high-water mark, not once per insert above it. */
  highWaterCrossings: number;
}

export function newCounters(): FlowTableCounters {
  return {
    inserted: 0,
    replaced: 0,
    removed: 0,
    cancelled: 0,
    expired: 0,
    purged: 0,
    fullRefusals: 0,
    timerSteps: 0,
    highWaterCrossings: 0,
  };
}

/** Throws a RangeError for an outside domain, or a deadline that is no instant. */
export function checkFacts({ domain, deadlineMs }: FlowFacts & { domain: number }): void {
  if (domain > DOMAIN_MAX) throw new RangeError(`${domain} is no inside domain`);
  if (!(deadlineMs > Number.NEGATIVE_INFINITY)) {
    throw new RangeError(`${deadlineMs} is no deadline`);
  }
}

/** Throws a RangeError where an address has not 16 bytes. */
export function checkAddresses6(flow: FlowKeys6): void {
  for (const address of [flow.insideAddress, flow.remoteAddress, flow.outsideAddress]) {
    if (address.length !== IPV6_BYTES) throw new RangeError(`${address.length} bytes, not 16`);
  }
}
