// How a trickle fares, in a line: what a demo shows live and a check compares at the end.
import { roundMs } from './gap.ts';
import type { TrickleConnection } from './trickle-connection.ts';

export type TrickleSummary = {
  asked: number;
  /** Ever opened. */
  opened: number;
  refused: number;
  /** Open, and everything that was said came back. */
  survived: number;
  /** Open, but still waiting for an echo. */
  waiting: number;
  /** Had been open and broke. */
  reset: number;
  misdelivered: number;
  sent: number;
  received: number;
  /** Between two echoes of one connection, its interval included. */
  longestGapMs: number;
  /** From saying something to hearing it again. */
  longestEchoMs: number;
  /** Why connections were refused or reset, and how many each. */
  reasons: Record<string, number>;
};

export function summarize(
  connections: readonly TrickleConnection[],
  nowMs: number,
): TrickleSummary {
  const summary: TrickleSummary = {
    asked: connections.length,
    opened: 0,
    refused: 0,
    survived: 0,
    waiting: 0,
    reset: 0,
    misdelivered: 0,
    sent: 0,
    received: 0,
    longestGapMs: 0,
    longestEchoMs: 0,
    reasons: {},
  };
  for (const each of connections) {
    if (each.state === 'open') summary[each.awaitsEcho ? 'waiting' : 'survived']++;
    if (each.state === 'open' || each.state === 'reset') summary.opened++;
    if (each.state === 'refused' || each.state === 'reset') {
      summary[each.state]++;
      summary.reasons[each.why] = (summary.reasons[each.why] ?? 0) + 1;
    }
    summary.misdelivered += each.misdelivered;
    summary.sent += each.sent;
    summary.received += each.received;
    summary.longestGapMs = Math.max(summary.longestGapMs, each.longestGapMs(nowMs));
    summary.longestEchoMs = Math.max(summary.longestEchoMs, each.longestEchoMs);
  }
  summary.longestGapMs = roundMs(summary.longestGapMs);
  summary.longestEchoMs = roundMs(summary.longestEchoMs);
  return summary;
}
