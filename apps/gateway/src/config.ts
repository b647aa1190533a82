/** What one gateway process reads: its place in the network, and the cluster's configuration. */
import { DEFAULT_LIMITS } from '@flowstore/gateway-core';
import { clusterSchema, durationMs, httpSchema, logSchema, redisSchema } from '@flowstore/service';
import { z } from 'zod';

/** Above so many flows one process's table does not fit the machines this is meant for. */
const FLOWS_LIMIT = 10_000_000;
const count = (limit: number) => z.int().min(1).max(limit);

const interfaceSchema = z
  .string()
  .regex(/^[^\s/]{1,15}$/)
  .describe('the name of a network interface');

const limitsSchema = z.strictObject({
  flowsMax: count(FLOWS_LIMIT).default(DEFAULT_LIMITS.flowsMax),
  flowsHighWater: count(FLOWS_LIMIT).default(DEFAULT_LIMITS.flowsHighWater),
  questionsMax: count(1_000_000).default(DEFAULT_LIMITS.questionsMax),
  openingsMax: count(1_000_000).default(DEFAULT_LIMITS.openingsMax),
  heldPerQuestionMax: count(1_024).default(DEFAULT_LIMITS.heldPerQuestionMax),
  heldBytesMax: count(2 ** 31).default(DEFAULT_LIMITS.heldBytesMax),
  openingBytesMax: count(2 ** 31).default(DEFAULT_LIMITS.openingBytesMax),
  holdMs: durationMs(1).default(DEFAULT_LIMITS.holdMs),
});

export const gatewaySchema = z.strictObject({
  /** Unique in the deployment; a second gateway of the same name takes the first one's place. */
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)
    .describe('1 to 63 letters, digits, dots, dashes and underscores'),
  redis: redisSchema,
  devices: z.strictObject({ inside: interfaceSchema, outside: interfaceSchema }),
  cluster: clusterSchema,
  http: httpSchema.prefault({}),
  log: logSchema.prefault({}),
  limits: limitsSchema.prefault({}),
});

export type GatewayConfig = z.output<typeof gatewaySchema>;
