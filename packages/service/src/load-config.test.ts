import { expect, test } from 'vitest';
import { z } from 'zod';
import { ConfigError } from './config-error.ts';
import { CONFIG_BYTES_MAX, ENV_PREFIX, loadConfig } from './load-config.ts';
import { httpSchema, LOG_LEVELS, logSchema, redisSchema } from './schemas.ts';
import { configFile } from './testing/config-file.ts';

const schema = z.strictObject({
  name: z.string(),
  redis: redisSchema,
  http: httpSchema.prefault({}),
  log: logSchema.prefault({}),
  sets: z.array(z.int().min(0)).default([1, 2]),
  eager: z.boolean().default(false),
});

const GOOD = 'name: a\nredis:\n  url: redis://127.0.0.1:6379/0\n';

function load(text: string, env: Record<string, string> = {}, fileName?: string) {
  const file = configFile(text, fileName);
  try {
    return { file, config: loadConfig(schema, { file, env, envPrefix: ENV_PREFIX }), error: null };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { file, config: null, error };
  }
}

/** The problems, with the file's name shortened to "F". */
function problems(text: string, env: Record<string, string> = {}): string[] {
  const { file, error } = load(text, env);
  expect(error?.code).toBe('FLOWSTORE_CONFIG_INVALID');
  expect(error?.message).toBe(error?.problems.join('\n'));
  return (error?.problems ?? []).map((line) => line.replaceAll(file, 'F'));
}

test('reads YAML and fills in the defaults', () => {
  expect(load(GOOD).config).toEqual({
    name: 'a',
    redis: { url: 'redis://127.0.0.1:6379/0', callTimeoutMs: 1_000, connectTimeoutMs: 5_000 },
    http: { host: '127.0.0.1', port: 9464 },
    log: { level: 'info' },
    sets: [1, 2],
    eager: false,
  });
});

test('reads JSON by the same rules, tabs included', () => {
  const text = JSON.stringify({ name: 'a', redis: { url: 'redis://h' } }, null, '\t');
  expect(load(text, {}, 'config.json').config?.redis.url).toBe('redis://h');
});

test('a file is not needed where the environment says everything', () => {
  const env = { FLOWSTORE_NAME: 'a', FLOWSTORE_REDIS_URL: 'redis://h' };
  const config = loadConfig(schema, { file: undefined, env, envPrefix: ENV_PREFIX });
  expect(config.redis.url).toBe('redis://h');
});

test('the environment overrides the file, each setting read as its own kind', () => {
  const { config } = load(GOOD, {
    FLOWSTORE_NAME: '12',
    FLOWSTORE_REDIS_CALL_TIMEOUT_MS: '250',
    FLOWSTORE_HTTP_PORT: '0',
    FLOWSTORE_LOG_LEVEL: 'warn',
    FLOWSTORE_SETS: '3, 4',
    FLOWSTORE_EAGER: 'true',
  });
  expect(config).toMatchObject({
    name: '12',
    redis: { url: 'redis://127.0.0.1:6379/0', callTimeoutMs: 250 },
    http: { port: 0 },
    log: { level: 'warn' },
    sets: [3, 4],
    eager: true,
  });
});

test('an empty variable counts as unset, one that names no setting is ignored', () => {
  const { config } = load(GOOD, { FLOWSTORE_HTTP_PORT: '', FLOWSTORE_PORT_6379_TCP: 'tcp://x' });
  expect(config?.http.port).toBe(9464);
});

test('a bad variable is named in place of the file', () => {
  expect(problems(GOOD, { FLOWSTORE_HTTP_PORT: 'http', FLOWSTORE_SETS: '1,x' })).toEqual([
    'environment FLOWSTORE_HTTP_PORT: http.port: found "http", ' +
      'allowed: a whole number from 0 to 65535',
    'environment FLOWSTORE_SETS: sets[1]: found "x", allowed: a whole number, 0 or more',
  ]);
});

test('every problem has its line: place, path, value and what is allowed', () => {
  const text = `
name: 7
redis:
  url: http://127.0.0.1
  callTimeoutMs: 0
  retries: 5
http: {host: "", port: 70000}
log: {level: loud}
sets: [1, two]
eager: maybe
nmae: x
`;
  const unknown = 'found a setting that does not exist, allowed:';
  const url =
    'redis://host:port/database, redis+sentinel://host:port,host:port/master or ' +
    'redis+cluster://host:port,host:port; rediss for TLS';
  expect(problems(text).sort()).toEqual(
    [
      'F:2: name: found 7, allowed: text',
      `F:4: redis.url: found "http://127.0.0.1", allowed: ${url}`,
      'F:5: redis.callTimeoutMs: found 0, allowed: a whole number from 1 to 2147483647',
      `F:6: redis.retries: ${unknown} only url, callTimeoutMs, connectTimeoutMs`,
      'F:7: http.host: found "", allowed: an address or host name to listen on',
      'F:7: http.port: found 70000, allowed: a whole number from 0 to 65535',
      `F:8: log.level: found "loud", allowed: one of ${LOG_LEVELS.join(', ')}`,
      'F:9: sets[1]: found "two", allowed: a whole number, 0 or more',
      'F:10: eager: found "maybe", allowed: true or false',
      `F:11: nmae: ${unknown} only name, redis, http, log, sets, eager`,
    ].sort(),
  );
});

test('what is missing, and what is of another shape, is said', () => {
  expect(problems('http: [1]\nsets: {a: 1}\nlog: ~\n')).toEqual([
    'F: name: found nothing, allowed: text',
    'F: redis: found nothing, allowed: settings: url, callTimeoutMs, connectTimeoutMs',
    'F:1: http: found a list of 1, allowed: settings: host, port',
    'F:3: log: found nothing, allowed: settings: level',
    'F:2: sets: found a map, allowed: a list, each a whole number, 0 or more',
  ]);
});

test.each(['', '# nothing\n', 'just text\n', '- a\n- b\n', '12'])(
  '%j is no configuration',
  (text) => {
    expect(problems(text).join()).toContain('allowed:');
  },
);

test('an override below something that is no map leaves that for zod to refuse', () => {
  expect(problems('name: a\nredis: 5\n', { FLOWSTORE_REDIS_URL: 'redis://h' })).toEqual([
    'F:2: redis: found 5, allowed: settings: url, callTimeoutMs, connectTimeoutMs',
  ]);
});

test('a password is hidden in what was found', () => {
  const [line] = problems('name: a\nredis: {url: "http://me:hunter2@h/x"}\n');
  expect(line).toContain('found "http://me:***@h/x"');
  expect(line).not.toContain('hunter2');
});

test.each([
  ['name: a\nredis: {url: [\n', /^F:\d+:\d+: not readable as YAML or JSON: /],
  ['name: a\n  redis: b\n', /^F:\d:\d+: not readable/],
  ['name: a\nname: b\n', /^F:2:1: not readable as YAML or JSON: Map keys must be unique/],
  ['name: *nowhere\n', /^F:?.*: not readable as YAML or JSON: .*nowhere/],
])('a syntax error has its line and column: %j', (text, pattern) => {
  expect(problems(text)[0]).toMatch(pattern);
});

test('aliases that unfold without end are refused', () => {
  const levels = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 0; i < 8; i++) {
    const before = String.fromCharCode(97 + i);
    const name = String.fromCharCode(98 + i);
    levels.push(`${name}: &${name} [${new Array(10).fill(`*${before}`).join(', ')}]`);
  }
  expect(problems(levels.join('\n'))[0]).toMatch(/^F: not readable as YAML or JSON/);
});

test('a file that cannot be read has a code of its own', () => {
  const read = (file: string) => () => loadConfig(schema, { file, env: {}, envPrefix: ENV_PREFIX });
  const code = 'FLOWSTORE_CONFIG_UNREADABLE';
  expect(read('/nowhere/config.yaml')).toThrow(
    expect.objectContaining({
      code,
      message: expect.stringMatching(/^\/nowhere\/config.yaml: cannot be read: ENOENT/),
    }),
  );
  expect(read('/')).toThrow(expect.objectContaining({ code }));
  const big = configFile('#'.repeat(CONFIG_BYTES_MAX + 1));
  expect(read(big)).toThrow(expect.objectContaining({ code }));
});
