import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  startRedis,
  startSentinel,
  startServer,
  type TestRedis,
} from '@flowstore/flow-store/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'flowstore-gateway-'));
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
let redis: TestRedis;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis.stop();
  rmSync(folder, { recursive: true });
});

function config(over: object = {}) {
  return {
    name: 'gw1',
    redis: { url: redis.url, connectTimeoutMs: 1_000 },
    devices: { inside: 'no-such-link', outside: 'lo' },
    http: { port: 0 },
    cluster: { pool: ['203.0.113.0/28'], insidePrefixes: ['198.18.0.0/16'] },
    ...over,
  };
}

function run(settings: object, ...args: string[]): Promise<{ code: unknown; said: string }> {
  return begin(settings, args).ended;
}

function begin(settings: object, args: readonly string[], onSaid = (_text: string) => {}) {
  const file = join(folder, 'gateway.json');
  writeFileSync(file, JSON.stringify(settings));
  const ended = new Promise<{ code: unknown; said: string }>((resolve) => {
    const options = { timeout: 60_000, env: { PATH: process.env.PATH } };
    const child = execFile(
      process.execPath,
      [main, '--config', file, ...args],
      options,
      (error, out, err) => resolve({ code: error?.code ?? 0, said: out + err }),
    );
    child.stdout?.on('data', (text) => onSaid(`${text}`));
  });
  return { ended };
}

test('a gateway does not start before the deployment was initialised, and says how', async () => {
  const { code, said } = await run(config());
  expect(code).toBe(2);
  expect(said).toContain('--init');
});

test('--init writes the configuration once', async () => {
  expect(await run(config(), '--init')).toEqual({
    code: 0,
    said: 'gateway: cluster configuration written\n',
  });
  expect(await run(config(), '--init')).toEqual({
    code: 0,
    said: 'gateway: a configuration is stored already\n',
  });
});

test('another cluster configuration may not join, and the difference is named', async () => {
  const cluster = { pool: ['203.0.113.16/28'], insidePrefixes: ['198.18.0.0/16'] };
  const { code, said } = await run(config({ cluster }));
  expect(code).toBe(2);
  expect(said).toContain('cluster.pool');
});

test('where Sentinel may replace the master, writes have to be replicated', async () => {
  const sentinel = await startSentinel();
  try {
    const { code, said } = await run(config({ redis: { url: sentinel.url } }), '--init');
    expect(code).toBe(2);
    expect(said).toContain('cluster.minReplicas: found 0, allowed: 1 or more');
    expect(said).toContain(sentinel.url);
    expect(said).not.toContain('    at ');
  } finally {
    await sentinel.stop();
  }
});

test('--init waits for a replica that has no copy yet, and says so', async () => {
  const master = await startServer();
  const cluster = { pool: ['203.0.113.0/28'], insidePrefixes: ['198.18.0.0/16'], minReplicas: 1 };
  const waits = Promise.withResolvers<void>();
  const redisOf = { url: `redis://127.0.0.1:${master.port}` };
  const { ended } = begin(config({ cluster, redis: redisOf }), ['--init'], () => waits.resolve());
  await Promise.race([waits.promise, ended]);
  const replica = await startServer(['--replicaof', `127.0.0.1 ${master.port}`]);
  try {
    const { code, said } = await ended;
    expect(said).toMatch(/waiting for the store: .*0 of 1 replicas/);
    expect(said).toMatch(/gateway: cluster configuration written\n$/);
    expect(code).toBe(0);
  } finally {
    await Promise.all([master.stop(), replica.stop()]);
  }
});

test('a bad configuration is refused, one line per problem', async () => {
  const { code, said } = await run(config({ name: '', speed: 1 }));
  expect(code).toBe(2);
  expect(said).toMatch(/gateway\.json.*name/);
  expect(said).toMatch(/speed/);
  expect(said).not.toContain('    at ');
});

test('a store that is not there is named, and the gateway ends', async () => {
  const url = 'redis://user:secret@127.0.0.1:1';
  const { code, said } = await run(config({ redis: { url, connectTimeoutMs: 1_000 } }));
  expect(code).toBe(1);
  expect(said).toContain('127.0.0.1:1');
  expect(said).not.toContain('secret');
  expect(said).not.toContain('    at ');
});

test.skipIf(!isRoot)('a device that is not there is named (needs root)', async () => {
  const { code, said } = await run(config());
  expect(code).toBe(1);
  expect(said).toContain('no-such-link');
  expect(said).toContain('PACKET_IO_NO_INTERFACE');
  expect(said).not.toContain('    at ');
});

test('--publish waits until the next version holds, and names what may not change', async () => {
  const next = { ...config().cluster, version: 2, timeouts: { udpMs: 200_000 } };
  const refused = await run(config({ cluster: { ...next, leaseMs: 91_000 } }), '--publish');
  expect(refused.code).toBe(2);
  expect(refused.said).toContain("cluster.leaseMs: can't change while gateways run");
  const published = await run(config({ cluster: next }), '--publish');
  expect(published).toEqual({
    code: 0,
    said: [
      'version 2 is published: it holds once every gateway goes by it',
      'no gateway is alive',
      'version 2 holds',
      '',
    ]
      .map((line) => line && `gateway: ${line}`)
      .join('\n'),
  });
  expect((await run(config({ cluster: next }), '--publish')).said).toContain('already');
  const behind = await run(config());
  expect(behind.code).toBe(2);
  expect(behind.said).toContain('cluster.timeouts.udpMs: differs');
}, 60_000);
