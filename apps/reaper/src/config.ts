/** What a reaper reads: the deployment's cluster configuration and how to sweep. */
import { SHARDS } from '@flowstore/flow';
import {
  clusterSchema,
  durationMs,
  httpSchemaWith,
  logSchema,
  redisSchema,
  redisUrlSchema,
} from '@flowstore/service';
import { z } from 'zod';

/** Not the gateway's, so that both run on one box without a word. */
export const REAPER_HTTP_PORT_DEFAULT = 9465;

const sweepSchema = z.strictObject({
  /** How often each set of shards gets a job. */
  everyMs: durationMs(10).default(1_000),
  /** How many sets the shards are dealt to; each has a scheduler of its own. */
  sets: z.int().min(1).max(SHARDS).default(8),
  /** Flows and marks that one call may look at: bounds how long it holds Redis. */
  looksMax: z.int().min(1).max(65_536).default(128),
  /** Calls that one job may make before it leaves the rest to the next. */
  callsMax: z.int().min(1).max(1_000_000).default(1_024),
  /** Jobs that this reaper works on at once. */
  concurrency: z.int().min(1).max(64).default(2),
});

export const reaperSchema = z.strictObject({
  redis: redisSchema,
  /** BullMQ's Redis; the flows' own unless told otherwise. */
  queueUrl: redisUrlSchema.optional(),
  cluster: clusterSchema,
  http: httpSchemaWith(REAPER_HTTP_PORT_DEFAULT).prefault({}),
  log: logSchema.prefault({}),
  sweep: sweepSchema.prefault({}),
});

export type ReaperConfig = z.output<typeof reaperSchema>;
export type SweepSettings = ReaperConfig['sweep'];
