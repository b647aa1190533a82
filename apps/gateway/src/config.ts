/** What one gateway process reads: its place in the network, and the cluster's configuration. */
import { hostname } from 'node:os';
import { DOMAIN_MAX, parsePrefix } from '@flowstore/flow';
import { DEFAULT_LIMITS, DEFAULT_POLICIES } from '@flowstore/gateway-core';
import {
  clusterSchema,
  DOMAINS_MAX,
  durationMs,
  httpSchema,
  logSchema,
  redisSchema,
} from '@flowstore/service';
import { z } from 'zod';

/** Above so many flows one process's table does not fit the machines this is meant for. */
const FLOWS_LIMIT = 10_000_000;
const count = (limit: number) => z.int().min(1).max(limit);

const DOMAIN_DEVICES = `a list of up to ${DOMAINS_MAX} of {domain: 7, inside: eth3}, each once`;
const INTERFACE = 'the name of a network interface, or the network that it is in (198.18.101.0/24)';
const interfaceSchema = z
  .string()
  .refine((text) => /^[^\s/]{1,15}$/.test(text) || isPrefix(text), INTERFACE)
  .describe(INTERFACE);

function isPrefix(text: string): boolean {
  try {
    parsePrefix(text);
    return true;
  } catch {
    return false;
  }
}

const domainDeviceSchema = z.strictObject({
  domain: z.int().min(1).max(DOMAIN_MAX),
  inside: interfaceSchema,
});

/** Inside networks that may have the same addresses have a device each (cluster.domains). */
const devicesSchema = z.strictObject({
  inside: interfaceSchema,
  outside: interfaceSchema,
  domains: z
    .array(domainDeviceSchema)
    .max(DOMAINS_MAX)
    .refine((all) => new Set(all.map(({ domain }) => domain)).size === all.length, DOMAIN_DEVICES)
    .describe(DOMAIN_DEVICES)
    .default([]),
});

const limitsSchema = z.strictObject({
  flowsMax: count(FLOWS_LIMIT).default(DEFAULT_LIMITS.flowsMax),
  flowsHighWater: count(FLOWS_LIMIT).default(DEFAULT_LIMITS.flowsHighWater),
  questionsMax: count(1_000_000).default(DEFAULT_LIMITS.questionsMax),
  openingsMax: count(1_000_000).default(DEFAULT_LIMITS.openingsMax),
  heldPerQuestionMax: count(1_024).default(DEFAULT_LIMITS.heldPerQuestionMax),
  heldBytesMax: count(2 ** 31).default(DEFAULT_LIMITS.heldBytesMax),
  openingBytesMax: count(2 ** 31).default(DEFAULT_LIMITS.openingBytesMax),
  holdMs: durationMs(1).default(DEFAULT_LIMITS.holdMs),
  provisionalMax: count(1_000_000).default(DEFAULT_LIMITS.provisionalMax),
});

/** What the other gateways are asked when the store is silent; without a secret nobody is. */
const peersSchema = z.strictObject({
  /** As a rule the address of the HTTP side: peers have to reach it. */
  host: z.string().min(1).describe('an address to hear other gateways at').default('127.0.0.1'),
  /** 0: any free port. */
  port: z.int().min(0).max(65_535).default(9465),
  secret: z.string().min(16).max(1_024).describe('16 characters or more').optional(),
});

const outagePolicy = z.enum(['provisional', 'refuse']);
const policiesSchema = z.strictObject({
  onPartition: z.enum(['hold', 'forward']).default(DEFAULT_POLICIES.onPartition),
  onOutage: z
    .strictObject({
      tcp: outagePolicy.default(DEFAULT_POLICIES.onOutage.tcp),
      udp: outagePolicy.default(DEFAULT_POLICIES.onOutage.udp),
      icmp: outagePolicy.default(DEFAULT_POLICIES.onOutage.icmp),
    })
    .prefault({}),
  ownErrors: z.enum(['send', 'suppress']).default(DEFAULT_POLICIES.ownErrors),
  unsolicitedSyns: z.enum(['answer', 'silent']).default(DEFAULT_POLICIES.unsolicitedSyns),
});

/** RFC 6888 REQ-12 to REQ-14. */
const sessionLogSchema = z.strictObject({
  record: z.enum(['off', 'bindings']).default('off'),
  /** How long lines are kept in the store; 0: they are not put there. */
  streamKeepMs: durationMs(0).default(86_400_000),
  file: z.string().min(1).describe('a path such as /var/log/flowstore/sessions.jsonl').optional(),
  fileBytesMax: z
    .int()
    .min(4_096)
    .max(2 ** 40)
    .default(104_857_600),
  /** Beside the one that is written. */
  filesMax: count(1_000).default(10),
});

export const gatewaySchema = z.strictObject({
  /**
   * Unique in the deployment; a second gateway of the same name takes the first one's place. The
   * box's host name where none is given: containers and pods have one each.
   */
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)
    .describe('1 to 63 letters, digits, dots, dashes and underscores')
    .default(() => hostname()),
  redis: redisSchema,
  devices: devicesSchema,
  cluster: clusterSchema,
  http: httpSchema.prefault({}),
  log: logSchema.prefault({}),
  limits: limitsSchema.prefault({}),
  peers: peersSchema.prefault({}),
  policies: policiesSchema.prefault({}),
  sessionLog: sessionLogSchema.prefault({}),
});

export type GatewayConfig = z.output<typeof gatewaySchema>;
