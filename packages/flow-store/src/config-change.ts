/**
 * What may change while gateways run. Each script call carries the policy of who sends it, so until
 * the last gateway and reaper was restarted two versions act on one store, and neither may break
 * what the other relies on.
 */
import { type ClusterConfig, canonicalConfig } from '@flowstore/flow';
import { differingFields } from './config-difference.ts';
import type { PublishResult } from './contract.ts';

/**
 * Until all run the new version a flow ends by the shorter of two timeouts, and a limit is the
 * smaller of two. Everything else is relied upon by others: who may use a port, for how long (I1,
 * I2), and where it comes from.
 */
const FREE_FIELDS: ReadonlySet<string> = new Set([
  'version',
  'insidePrefixes',
  'timeouts.tcpEstablishedMs',
  'timeouts.tcpTransitoryMs',
  'timeouts.udpMs',
  'timeouts.icmpMs',
  'slack.outageMs',
  'ttlMarginMs',
  'flowsPerEndpointMax',
  'newBindingsPerSubscriberPerSMax',
]);

/** What becomes of publishing `next` where `stored` is published; null: it may be written. */
export function judgeChange(stored: string | null, next: ClusterConfig): PublishResult | null {
  if (stored === null) return { kind: 'notInitialised' };
  const fields = differingFields(stored, canonicalConfig(next));
  if (fields.length === 0) return { kind: 'unchanged' };
  const before = JSON.parse(stored) as ClusterConfig;
  const problems = fields.filter((field) => !isFree(field, before, next)).map(describe);
  const version = before.version + 1;
  if (next.version !== version) {
    problems.push(`version: found ${next.version}, allowed: ${version}, one above the published`);
  }
  return problems.length === 0 ? null : { kind: 'refused', problems };
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
