import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_POLICIES } from '@flowstore/gateway-core';
import { ENV_PREFIX, loadConfig } from '@flowstore/service';
import { afterAll, expect, test } from 'vitest';
import { gatewaySchema } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'flowstore-gateway-'));
afterAll(() => rmSync(folder, { recursive: true }));

const minimal = {
  name: 'gw1',
  redis: { url: 'redis://127.0.0.1:6379' },
  devices: { inside: 'eth1', outside: 'eth2' },
  cluster: { pool: ['203.0.113.0/28'], insidePrefixes: ['198.18.0.0/16'] },
};

function load(value: unknown, env: Record<string, string> = {}) {
  const file = join(folder, 'gateway.json');
  writeFileSync(file, JSON.stringify(value));
  return loadConfig(gatewaySchema, { file, env, envPrefix: ENV_PREFIX });
}

test('name, store, devices, pool and inside prefixes are enough', () => {
  const config = load(minimal);
  expect(config.cluster.cacheLeaseMs).toBe(60_000);
  expect(config.limits.heldBytesMax).toBe(33_554_432);
  expect(config.http).toEqual({ host: '127.0.0.1', port: 9464 });
});

test('nobody is asked and nobody is believed unless a secret is set', () => {
  expect(load(minimal).peers).toEqual({ host: '127.0.0.1', port: 9465 });
  const env = { FLOWSTORE_PEERS_SECRET: 'sixteen or more of them' };
  expect(load(minimal, env).peers.secret).toBe('sixteen or more of them');
  const { policies } = load({ ...minimal, policies: { onOutage: { tcp: 'refuse' } } });
  const onOutage = { tcp: 'refuse', udp: 'provisional', icmp: 'provisional' };
  expect(policies).toEqual({ ...DEFAULT_POLICIES, onOutage });
});

test('without a name it is called as the box is, and a device may be named by its network', () => {
  const { name: _, ...nameless } = minimal;
  const devices = { inside: '198.18.101.0/24', outside: '198.19.101.0/24' };
  const config = load({ ...nameless, devices });
  expect(config.name).toBe(hostname());
  expect(config.devices).toEqual({ ...devices, domains: [] });
});

test('the environment overrides the file', () => {
  const env = { FLOWSTORE_REDIS_URL: 'redis://10.0.0.9:7000', FLOWSTORE_DEVICES_INSIDE: 'lan0' };
  const config = load(minimal, env);
  expect(config.redis.url).toBe('redis://10.0.0.9:7000');
  expect(config.devices.inside).toBe('lan0');
});

test.each([
  ['a name with a space', { ...minimal, name: 'gate way' }, /name.*"gate way".*letters/],
  ['a device path', { ...minimal, devices: { inside: 'a/b', outside: 'c' } }, /devices\.inside/],
  ['a setting that does not exist', { ...minimal, speed: 9 }, /speed/],
  ['a secret that is short', { ...minimal, peers: { secret: 'short' } }, /peers\.secret.*16/],
  ['a limit of zero', { ...minimal, limits: { questionsMax: 0 } }, /limits\.questionsMax/],
  [
    'a cache lease that outlives the quarantine',
    { ...minimal, cluster: { ...minimal.cluster, cacheLeaseMs: 200_000 } },
    /cacheLeaseMs \(200000\).*quarantineMs/,
  ],
])('%s is refused with its path and what is allowed', (_what, config, message) => {
  expect(() => load(config)).toThrow(message);
});
