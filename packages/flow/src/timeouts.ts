/**
 * From protocol state to timeout to deadline. The deadline is not stored wisdom but derived:
 * `lastSeen + timeout(protocol, phase) + slack`.
 *
 * A TCP connection is opening, established or closing (tcp-states.ts): opening and closing wait a
 * short timeout each, established the long one (RFC 5382 REQ-5, RFC 7857 section 2). UDP and ICMP
 * queries have one phase each.
 */
import { ICMP, ICMPV6, TCP } from './protocol.ts';
import type { FlowState } from './state.ts';
import { Phase, tcpPhase } from './tcp-states.ts';

export interface Timeouts {
  /** RFC 5382 REQ-5: at least 2 h 4 min. */
  readonly tcpEstablishedMs: number;
  /** While a connection opens. RFC 5382 REQ-5: at least 4 min. */
  readonly tcpTransitoryMs: number;
  /** While it closes, and after an RST: the same, with a timer of its own (RFC 7857 section 2). */
  readonly tcpClosingMs: number;
  /** RFC 4787 REQ-5: at least 2 min, 5 min recommended. */
  readonly udpMs: number;
  /** RFC 5508 REQ-2: at least 60 s. */
  readonly icmpMs: number;
}

/** What the RFCs don't let a NAT go below, and where they say so. */
export const RFC_FLOORS: Readonly<Record<keyof Timeouts, { floorMs: number; rfc: string }>> = {
  tcpEstablishedMs: { floorMs: 7_440_000, rfc: 'RFC 5382 REQ-5' },
  tcpTransitoryMs: { floorMs: 240_000, rfc: 'RFC 5382 REQ-5' },
  tcpClosingMs: { floorMs: 240_000, rfc: 'RFC 5382 REQ-5' },
  udpMs: { floorMs: 120_000, rfc: 'RFC 4787 REQ-5' },
  icmpMs: { floorMs: 60_000, rfc: 'RFC 5508 REQ-2' },
};

/** Which timeouts are below their floor, each with what it may be. */
export function belowRfcFloors(timeouts: Timeouts): [keyof Timeouts, string][] {
  const names = Object.keys(RFC_FLOORS) as (keyof Timeouts)[];
  return names
    .filter((name) => timeouts[name] < RFC_FLOORS[name].floorMs)
    .map((name) => {
      const { floorMs, rfc } = RFC_FLOORS[name];
      return [name, `${floorMs} or more (${rfc}), or less with allowBelowRfcFloors: true`];
    });
}

/** What a gateway may still hold back when the store last heard of a flow. */
export interface Slack {
  /** The outage of the store that a flow survives however long its idle time already was. */
  readonly outageMs: number;
  /** By how much the clocks of two Redis servers may differ. */
  readonly clockSkewMs: number;
}

/** How long the flow may idle, in ms. */
export function timeoutMs(timeouts: Timeouts, protocol: number, state: FlowState): number {
  if (protocol === TCP) {
    const phase = tcpPhase(state.flags, state.seenMs, state.rstMs);
    if (phase === Phase.Established) return timeouts.tcpEstablishedMs;
    return phase === Phase.Closing ? timeouts.tcpClosingMs : timeouts.tcpTransitoryMs;
  }
  return protocol === ICMP || protocol === ICMPV6 ? timeouts.icmpMs : timeouts.udpMs;
}

/**
 * A gateway reports a flow's packets at the latest when this share of the timeout has passed since
 * its last confirmed report; the store therefore waits as much longer before it ends a flow.
 */
export function touchIntervalMs(flowTimeoutMs: number): number {
  return Math.ceil(flowTimeoutMs / 3);
}

export function slackMs(slack: Slack, flowTimeoutMs: number): number {
  return touchIntervalMs(flowTimeoutMs) + slack.outageMs + slack.clockSkewMs;
}

/** The instant after which the store may end the flow, on the clock of `state`. */
export function deadlineMs(
  timeouts: Timeouts,
  slack: Slack,
  protocol: number,
  state: FlowState,
): number {
  const timeout = timeoutMs(timeouts, protocol, state);
  return Math.max(state.seenMs, state.rstMs) + timeout + slackMs(slack, timeout);
}
