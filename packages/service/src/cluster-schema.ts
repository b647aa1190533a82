/** ClusterConfig as a file may state it: defaults from CLUSTER_DEFAULTS, every relation checked. */
import {
  belowRfcFloors,
  brokenRelations,
  CLUSTER_DEFAULTS,
  type ClusterConfig,
  FILTERINGS,
  ruleProblems,
} from '@flowstore/flow';
import { z } from 'zod';
import { addressRangesSchema, prefixesSchema, ruleShape } from './rules-schema.ts';

/** A week: a timeout with its slack, in ms, must fit into the store's 32 bits. */
export const CLUSTER_DURATION_MS_MAX = 604_800_000;
/** More replicas than that would confirm a write too late. */
export const REPLICAS_LIMIT = 16;
export const FLOWS_PER_ENDPOINT_LIMIT = 65_536;
/** More than the ports of an outside address, over all protocols: no limit in effect. */
export const PER_SUBSCRIBER_LIMIT = 1_048_576;

const durationMs = (minimumMs: number) => z.int().min(minimumMs).max(CLUSTER_DURATION_MS_MAX);

const { timeouts, slack, filtering, inboundRefresh, ...rest } = CLUSTER_DEFAULTS;

/** A connection closes as long as it opens, unless that is said. */
const timeoutsSchema = z
  .strictObject({
    tcpEstablishedMs: durationMs(1).default(timeouts.tcpEstablishedMs),
    tcpTransitoryMs: durationMs(1).default(timeouts.tcpTransitoryMs),
    tcpClosingMs: durationMs(1).optional(),
    udpMs: durationMs(1).default(timeouts.udpMs),
    icmpMs: durationMs(1).default(timeouts.icmpMs),
  })
  .transform((given) => ({ ...given, tcpClosingMs: given.tcpClosingMs ?? given.tcpTransitoryMs }));

const slackSchema = z.strictObject({
  outageMs: durationMs(0).default(slack.outageMs),
  clockSkewMs: durationMs(0).default(slack.clockSkewMs),
});

const filteringSchema = z.strictObject({
  udp: z.enum(FILTERINGS).default(filtering.udp),
  tcp: z.enum(FILTERINGS).default(filtering.tcp),
});

const inboundRefreshSchema = z.strictObject({
  tcp: z.boolean().default(inboundRefresh.tcp),
  udp: z.boolean().default(inboundRefresh.udp),
  icmp: z.boolean().default(inboundRefresh.icmp),
});

export const clusterSchema = z
  .strictObject({
    version: z.int().min(1).default(rest.version),
    pool: addressRangesSchema,
    insidePrefixes: prefixesSchema,
    ...ruleShape,
    timeouts: timeoutsSchema.prefault({}),
    allowBelowRfcFloors: z.boolean().default(rest.allowBelowRfcFloors),
    slack: slackSchema.prefault({}),
    filtering: filteringSchema.prefault({}),
    inboundRefresh: inboundRefreshSchema.prefault({}),
    cacheLeaseMs: durationMs(1).default(rest.cacheLeaseMs),
    leaseMs: durationMs(1).default(rest.leaseMs),
    quarantineMs: durationMs(1).default(rest.quarantineMs),
    heartbeatMs: durationMs(1).default(rest.heartbeatMs),
    ttlMarginMs: durationMs(0).default(rest.ttlMarginMs),
    minReplicas: z.int().min(0).max(REPLICAS_LIMIT).default(rest.minReplicas),
    preservePortParity: z.boolean().default(rest.preservePortParity),
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
    for (const [path, allowed] of ruleProblems(config)) problem([...path], allowed);
    if (!config.allowBelowRfcFloors) {
      for (const [name, message] of belowRfcFloors(config.timeouts)) {
        const { tcpTransitoryMs } = config.timeouts;
        const isDefault = name === 'tcpClosingMs' && config.timeouts[name] === tcpTransitoryMs;
        // What is no duration at all is refused as such, and what follows from another by that.
        if (config.timeouts[name] >= 1 && !isDefault) problem(['timeouts', name], message);
      }
    }
    for (const sentence of brokenRelations(config)) problem([], sentence);
  });
