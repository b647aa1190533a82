/** The settings that gateway and reaper share. All are strict: an unknown setting is refused. */
import { parseStoreUrl } from '@flowstore/flow';
import { z } from 'zod';

/** The longest that setTimeout can wait, some 24 days. */
export const DURATION_MS_MAX = 2_147_483_647;
export const HTTP_PORT_DEFAULT = 9464;
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** A duration in whole ms. */
export function durationMs(minimumMs: number) {
  return z.int().min(minimumMs).max(DURATION_MS_MAX);
}

const URL_FORM =
  'redis://host:port/database, redis+sentinel://host:port,host:port/master or ' +
  'redis+cluster://host:port,host:port; rediss for TLS';

/** See @flowstore/flow's store-url.ts. */
export const redisUrlSchema = z.string().refine(isRedisUrl, URL_FORM).describe(URL_FORM);

function isRedisUrl(text: string): boolean {
  try {
    parseStoreUrl(text);
    return true;
  } catch {
    return false;
  }
}

export const redisSchema = z.strictObject({
  url: redisUrlSchema,
  /** After this long without an answer a call counts as failed. */
  callTimeoutMs: durationMs(1).default(1_000),
  connectTimeoutMs: durationMs(1).default(5_000),
});
export type RedisSettings = z.output<typeof redisSchema>;

/** The same settings with another default port. */
export function httpSchemaWith(portDefault: number) {
  return z.strictObject({
    host: z.string().min(1).describe('an address or host name to listen on').default('127.0.0.1'),
    /** 0: any free port. */
    port: z.int().min(0).max(65_535).default(portDefault),
  });
}

export const httpSchema = httpSchemaWith(HTTP_PORT_DEFAULT);
export type HttpSettings = z.output<typeof httpSchema>;

export const logSchema = z.strictObject({ level: z.enum(LOG_LEVELS).default('info') });
export type LogSettings = z.output<typeof logSchema>;
