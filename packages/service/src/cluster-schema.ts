/** ClusterConfig as a file may state it: defaults from CLUSTER_DEFAULTS, every relation checked. */
import {
  brokenRelations,
  CLUSTER_DEFAULTS,
  type ClusterConfig,
  formatPrefix,
  IPV4_BYTES,
  type Prefix,
  parsePrefix,
  prefixesOverlap,
  prefixSize,
} from '@flowstore/flow';
import { z } from 'zod';

/** A week: a timeout with its slack, in ms, must fit into the store's 32 bits. */
export const CLUSTER_DURATION_MS_MAX = 604_800_000;
export const POOL_ADDRESSES_MAX = 65_536;
/** Overlap is checked pair by pair, so the lists stay short. */
export const PREFIXES_MAX = 256;
/** More replicas than that would confirm a write too late. */
export const REPLICAS_LIMIT = 16;
export const FLOWS_PER_ENDPOINT_LIMIT = 65_536;
/** More than the ports of an outside address, over all protocols: no limit in effect. */
export const PER_SUBSCRIBER_LIMIT = 1_048_576;

const PREFIX = 'an IPv4 prefix such as 203.0.113.0/28';

const durationMs = (minimumMs: number) => z.int().min(minimumMs).max(CLUSTER_DURATION_MS_MAX);

/** In canonical form: a bare address becomes its own /32. */
const prefixSchema = z
  .string()
  .transform((text, context) => {
    try {
      const prefix = parsePrefix(text);
      if (prefix.address.length === IPV4_BYTES) return formatPrefix(prefix);
      throw new TypeError('IPv6 is not supported yet');
    } catch (error) {
      const why = (error as Error).message;
      context.issues.push({ code: 'custom', input: text, message: `${PREFIX} (${why})` });
      return z.NEVER;
    }
  })
  .describe(PREFIX);

const prefixesSchema = z
  .array(prefixSchema)
  .min(1)
  .max(PREFIXES_MAX)
  .describe(`a list of 1 to ${PREFIXES_MAX} prefixes such as 203.0.113.0/28`);

const { timeouts, slack, ...rest } = CLUSTER_DEFAULTS;

const timeoutsSchema = z.strictObject({
  tcpEstablishedMs: durationMs(1).default(timeouts.tcpEstablishedMs),
  tcpTransitoryMs: durationMs(1).default(timeouts.tcpTransitoryMs),
  udpMs: durationMs(1).default(timeouts.udpMs),
  icmpMs: durationMs(1).default(timeouts.icmpMs),
});

const slackSchema = z.strictObject({
  outageMs: durationMs(0).default(slack.outageMs),
  clockSkewMs: durationMs(0).default(slack.clockSkewMs),
});

export const clusterSchema = z
  .strictObject({
    version: z.int().min(1).default(rest.version),
    pool: prefixesSchema,
    insidePrefixes: prefixesSchema,
    timeouts: timeoutsSchema.prefault({}),
    slack: slackSchema.prefault({}),
    cacheLeaseMs: durationMs(1).default(rest.cacheLeaseMs),
    leaseMs: durationMs(1).default(rest.leaseMs),
    quarantineMs: durationMs(1).default(rest.quarantineMs),
    heartbeatMs: durationMs(1).default(rest.heartbeatMs),
    ttlMarginMs: durationMs(0).default(rest.ttlMarginMs),
    minReplicas: z.int().min(0).max(REPLICAS_LIMIT).default(rest.minReplicas),
    flowsPerEndpointMax: z
      .int()
      .min(1)
      .max(FLOWS_PER_ENDPOINT_LIMIT)
      .default(rest.flowsPerEndpointMax),
    bindingsPerSubscriberMax: z
      .int()
      .min(0)
      .max(PER_SUBSCRIBER_LIMIT)
      .default(rest.bindingsPerSubscriberMax),
    newBindingsPerSubscriberPerSMax: z
      .int()
      .min(0)
      .max(PER_SUBSCRIBER_LIMIT)
      .default(rest.newBindingsPerSubscriberPerSMax),
  })
  .superRefine((config: ClusterConfig, context) => {
    const problem = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    for (const [path, message] of poolProblems(config)) problem(path, message);
    for (const sentence of brokenRelations(config)) problem([], sentence);
  });

/** What can't be said of one prefix alone. */
function poolProblems({ pool, insidePrefixes }: ClusterConfig): [PropertyKey[], string][] {
  const problems: [PropertyKey[], string][] = [];
  const prefixes = pool.map(parsePrefix);
  const addresses = prefixes.reduce((sum, prefix) => sum + prefixSize(prefix), 0);
  if (addresses > POOL_ADDRESSES_MAX) {
    problems.push([['pool'], `up to ${POOL_ADDRESSES_MAX} addresses in all, not ${addresses}`]);
  }
  for (const [i, prefix] of prefixes.entries()) {
    const twin = overlapping(prefix, prefixes.slice(0, i));
    if (twin !== undefined) {
      problems.push([['pool', i], `prefixes that share no address (this one and ${twin} do)`]);
    }
    // RFC 4787 REQ-7: outside and inside must differ, or hairpinning and routing are ambiguous.
    const inner = overlapping(prefix, insidePrefixes.map(parsePrefix));
    if (inner !== undefined) {
      problems.push([['pool', i], `prefixes outside of insidePrefixes (${inner} overlaps)`]);
    }
  }
  return problems;
}

function overlapping(prefix: Prefix, others: readonly Prefix[]): string | undefined {
  const other = others.find((candidate) => prefixesOverlap(prefix, candidate));
  return other === undefined ? undefined : formatPrefix(other);
}
