import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkConfig, deepMerge, gatewayConfig, readConfig, reaperConfig } from './config.ts';

const place = {
  management: { net: '192.0.2' },
  storeUrl: 'redis://192.0.2.1:6390',
  minReplicas: 0,
};

describe('deepMerge', () => {
  it('merges objects key by key and replaces everything else', () => {
    const base = { a: { b: 1, c: [1, 2] }, d: 'x' };
    expect(deepMerge(base, { a: { c: [3] }, e: null })).toEqual({
      a: { b: 1, c: [3] },
      d: 'x',
      e: null,
    });
  });

  it('leaves what it was given as it was', () => {
    const base = { a: { b: 1 } };
    deepMerge(base, { a: { b: 2 } });
    expect(base).toEqual({ a: { b: 1 } });
  });

  it('never reaches a prototype', () => {
    const merged = deepMerge({}, JSON.parse('{"__proto__": {"polluted": true}}'));
    expect((merged as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('the generated files', () => {
  it('are the contract with the gateway', () => {
    expect(gatewayConfig(1, place, {})).toEqual({
      name: 'gw1',
      redis: { url: 'redis://192.0.2.1:6390' },
      devices: { inside: 'inside', outside: 'outside' },
      http: { host: '192.0.2.101', port: 9464 },
      peers: { host: '192.0.2.101', port: 9465, secret: 'the lab keeps no secrets' },
      log: { level: 'info' },
      cluster: {
        pool: ['203.0.113.0/28'],
        insidePrefixes: ['198.18.0.0/16'],
        allowBelowRfcFloors: true,
      },
    });
  });

  it('name the gateway where the overrides leave a place for its name', () => {
    const config = { gateway: { sessionLog: { file: '/tmp/{name}.jsonl' } } };
    expect(gatewayConfig(3, place, config)).toMatchObject({
      sessionLog: { file: '/tmp/gw3.jsonl' },
    });
  });

  it('are the contract with the reaper, with the same cluster', () => {
    const config = { cluster: { shards: 8 }, reaper: { concurrency: 2 } };
    expect(reaperConfig(9565, place, config)).toEqual({
      redis: { url: 'redis://192.0.2.1:6390' },
      http: { host: '192.0.2.1', port: 9565 },
      cluster: gatewayConfig(2, place, config).cluster,
      concurrency: 2,
    });
  });
});

describe('a config file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lab-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (text: string) => {
    writeFileSync(join(folder, 'lab.yaml'), text);
    return join(folder, 'lab.yaml');
  };

  it('is YAML or JSON', () => {
    expect(readConfig(file('cluster:\n  shards: 8\n'))).toEqual({ cluster: { shards: 8 } });
    expect(readConfig(file('{"gateway": {"log": {"level": "debug"}}}'))).toEqual({
      gateway: { log: { level: 'debug' } },
    });
    expect(readConfig(file(''))).toEqual({});
  });

  it('is refused with the place and what is allowed', () => {
    expect(() => checkConfig({ gatway: {} }, 'x')).toThrow(
      'x: gatway: unknown, allowed are gateway, reaper, cluster',
    );
    expect(() => checkConfig({ cluster: [1] }, 'x')).toThrow('cluster: must be a mapping, is [1]');
    expect(() => checkConfig('text', 'x')).toThrow('must be a mapping');
    expect(() => readConfig(file('a: [1'))).toThrow(/lab\.yaml/);
    expect(() => readConfig(join(folder, 'none.yaml'))).toThrow(/ENOENT/);
  });
});
