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
  everyMs: durationMs(10).default(4_000),
  /** How many sets the shards are dealt to; each has a scheduler of its own. */
  sets: z.int().min(1).max(SHARDS).default(SHARDS),
  /** How long one call may hold Redis; what it looks at is chosen so. */
  holdMsMax: z.number().min(0.1).max(1_000).default(0.5),
  /** Flows and marks that one call may look at, however quick Redis is. */
  looksMax: z.int().min(32).max(65_536).default(256),
  /** Calls that one job may make before it leaves the rest to the next. */
  callsMax: z.int().min(1).max(1_000_000).default(1_024),
  /** Jobs that this reaper works on at once, so also calls: more where a cluster shares them. */
  concurrency: z.int().min(1).max(64).default(1),
});

const trimSchema = z.strictObject({
  /** How often the feeds that became quiet are shortened. */
  everyMs: durationMs(10).default(60_000),
});

const auditSchema = z.strictObject({
  everyMs: durationMs(10).default(1_000),
  /** Keys that one job may check: with everyMs, how fast the walk is. */
  keysMax: z.int().min(1).max(1_000_000).default(512),
});

const boardSchema = z.strictObject({
  user: z.string().min(1).default('reaper'),
  /** Without one nobody can log in. */
  password: z.string().min(8).optional(),
  /** false: jobs can be retried, promoted and removed in it. */
  readOnly: z.boolean().default(true),
});

export const reaperSchema = z.strictObject({
  redis: redisSchema,
  /** BullMQ's Redis; the flows' own unless told otherwise. */
  queueUrl: redisUrlSchema.optional(),
  /** Jobs per second of all reapers together; none: as many as there are. */
  jobsPerSMax: z.int().min(1).max(1_000_000).optional(),
  cluster: clusterSchema,
  http: httpSchemaWith(REAPER_HTTP_PORT_DEFAULT).prefault({}),
  log: logSchema.prefault({}),
  sweep: sweepSchema.prefault({}),
  trim: trimSchema.prefault({}),
  audit: auditSchema.prefault({}),
  board: boardSchema.prefault({}),
});

export type ReaperConfig = z.output<typeof reaperSchema>;
export type SweepSettings = ReaperConfig['sweep'];
