/** The settings that gateway and reaper share. All are strict: an unknown setting is refused. */
import { z } from 'zod';

/** The longest that setTimeout can wait, some 24 days. */
export const DURATION_MS_MAX = 2_147_483_647;
export const HTTP_PORT_DEFAULT = 9464;
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** A duration in whole ms. */
export function durationMs(minimumMs: number) {
  return z.int().min(minimumMs).max(DURATION_MS_MAX);
}

export const redisUrlSchema = z
  .string()
  .refine(isRedisUrl, 'a URL such as redis://127.0.0.1:6379/0 or rediss://user:password@host:6379')
  .describe('a URL such as redis://127.0.0.1:6379/0 or rediss://user:password@host:6379');

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname } = new URL(text);
  const scheme = protocol === 'redis:' || protocol === 'rediss:';
  return scheme && hostname !== '' && /^(\/\d*)?$/.test(pathname);
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
