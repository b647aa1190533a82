/**
 * What may change while gateways run, and what they go by meanwhile. Each script call carries the
 * policy of who sends it, so two versions act on one store until the last one has heard.
 *
 * A change has two steps, and at each instant only neighbours of this line act together:
 *
 * ```
 *   C alone  |  both, C holds  |  both, N holds  |  N alone
 *            |<- published     |<- all go by both, so N holds
 * ```
 *
 * Going by both means to break neither's promise. A flow ends by the longer timeout and is reported
 * by the shorter: when N holds, no flow is ended by C, and none whose packets N would count is
 * unreported: what either takes for a sign of life is one. A limit is the smaller one. Whom either
 * serves is served, what either has a rule for goes by that, and what neither has a place for is
 * cancelled: so when N holds, nobody is without its rules, and what C alone had a place for goes
 * when a gateway goes by N alone.
 *
 * Keys have the TTL that the policy of their last writer gave them, and a touch moves it only with
 * the next step of TTLs. So a flow may live no longer by N than such a key is sure to be there.
 */
import { type ClusterConfig, canonicalConfig, slackMs, type Timeouts } from '@flowstore/flow';
import { differingFields } from './config-difference.ts';
import type { PublishResult } from './deployment.ts';

/** Everything else is relied upon by others: who may use a port, and for how long (I1, I2). There
 * is no going by both of two leases. A pool is nobody's promise: the store gives each port of any
 * address to one only, wherever gateways take their addresses from. */
const FREE_FIELDS: ReadonlySet<string> = new Set([
  'version',
  'pool',
  'insidePrefixes',
  'portForwards',
  'oneToOne',
  'noNat',
  'pools',
  'domains',
  'timeouts.tcpEstablishedMs',
  'timeouts.tcpTransitoryMs',
  'timeouts.tcpClosingMs',
  'timeouts.udpMs',
  'timeouts.icmpMs',
  'allowBelowRfcFloors',
  'slack.outageMs',
  'ttlMarginMs',
  'preservePortParity',
  'filtering.tcp',
  'inboundRefresh.tcp',
  'inboundRefresh.udp',
  'inboundRefresh.icmp',
  'flowsPerEndpointMax',
  'newBindingsPerSubscriberPerSMax',
]);

/** As in lua/parts/entry.lua. */
export const TTL_STEP_MS = 524_288;

/** What becomes of publishing `next` where `stored` holds; null: it may be written. */
export function judgeChange(stored: string | null, next: ClusterConfig): PublishResult | null {
  if (stored === null) return { kind: 'notInitialised' };
  if (differingFields(stored, canonicalConfig(next)).length === 0) return { kind: 'unchanged' };
  const before = JSON.parse(stored) as ClusterConfig;
  const problems = [...fixedProblems(before, next), ...growthProblems(before, next)];
  const version = before.version + 1;
  if (next.version !== version) {
    problems.push(`version: found ${next.version}, allowed: ${version}, one above the published`);
  }
  return problems.length === 0 ? null : { kind: 'refused', problems };
}

/** A line per field that can't change while gateways run. */
export function fixedProblems(before: ClusterConfig, next: ClusterConfig): string[] {
  const fields = differingFields(canonicalConfig(before), canonicalConfig(next));
  return fields.filter((field) => !isFree(field, before, next)).map(describe);
}

function growthProblems(before: ClusterConfig, next: ClusterConfig): string[] {
  const spareMs = Math.max(0, before.ttlMarginMs - TTL_STEP_MS);
  const lifeMs = ({ timeouts, slack }: ClusterConfig, name: keyof Timeouts) =>
    timeouts[name] + slackMs(slack, timeouts[name]);
  const names = Object.keys(before.timeouts) as (keyof Timeouts)[];
  const tooLong = names.filter((name) => lifeMs(next, name) - lifeMs(before, name) > spareMs);
  return tooLong.map(
    (name) =>
      `timeouts.${name}: flows may live up to ${spareMs} ms longer (ttlMarginMs less ` +
      `${TTL_STEP_MS}), not ${lifeMs(next, name) - lifeMs(before, name)}: what is stored goes by ` +
      'its TTL. Raise ttlMarginMs first, and wait for the longest timeout',
  );
}

/** What is gone by while both are: lives as long as the longer, limits as small as the smaller. */
export function goingByBoth(holds: ClusterConfig, next: ClusterConfig): ClusterConfig {
  return {
    ...holds,
    insidePrefixes: [...new Set([...holds.insidePrefixes, ...next.insidePrefixes])],
    inboundRefresh: {
      tcp: holds.inboundRefresh.tcp || next.inboundRefresh.tcp,
      udp: holds.inboundRefresh.udp || next.inboundRefresh.udp,
      icmp: holds.inboundRefresh.icmp || next.inboundRefresh.icmp,
    },
    timeouts: eachTimeout(holds, next, Math.max),
    slack: { ...holds.slack, outageMs: Math.max(holds.slack.outageMs, next.slack.outageMs) },
    ttlMarginMs: Math.max(holds.ttlMarginMs, next.ttlMarginMs),
    flowsPerEndpointMax: Math.min(holds.flowsPerEndpointMax, next.flowsPerEndpointMax),
    bindingsPerSubscriberMax: smallerLimit(
      holds.bindingsPerSubscriberMax,
      next.bindingsPerSubscriberMax,
    ),
    newBindingsPerSubscriberPerSMax: smallerLimit(
      holds.newBindingsPerSubscriberPerSMax,
      next.newBindingsPerSubscriberPerSMax,
    ),
  };
}

/** By which flows are reported while both are gone by: the shorter ones. */
export function shorterTimeouts(holds: ClusterConfig, next: ClusterConfig): Timeouts {
  return eachTimeout(holds, next, Math.min);
}

function eachTimeout(
  { timeouts: a }: ClusterConfig,
  { timeouts: b }: ClusterConfig,
  choose: (a: number, b: number) => number,
): Timeouts {
  return {
    tcpEstablishedMs: choose(a.tcpEstablishedMs, b.tcpEstablishedMs),
    tcpTransitoryMs: choose(a.tcpTransitoryMs, b.tcpTransitoryMs),
    tcpClosingMs: choose(a.tcpClosingMs, b.tcpClosingMs),
    udpMs: choose(a.udpMs, b.udpMs),
    icmpMs: choose(a.icmpMs, b.icmpMs),
  };
}

/** 0: no limit. */
function smallerLimit(a: number, b: number): number {
  return a === 0 || b === 0 ? Math.max(a, b) : Math.min(a, b);
}

function isFree(field: string, before: ClusterConfig, next: ClusterConfig): boolean {
  // Bindings are counted where there is a limit: who counts and who doesn't would disagree.
  if (field === 'bindingsPerSubscriberMax') {
    return before.bindingsPerSubscriberMax > 0 && next.bindingsPerSubscriberMax > 0;
  }
  return FREE_FIELDS.has(field);
}

function describe(field: string): string {
  if (field === 'bindingsPerSubscriberMax') {
    return `${field}: can't change from or to 0 (no limit) while gateways run`;
  }
  return `${field}: can't change while gateways run: stop all of them, and begin anew`;
}
