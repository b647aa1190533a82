import { describe, expect, it } from 'vitest';
import { minReplicasOf, planServers, serverOptions, storeKinds, storeUrl } from './store-plan.ts';

const management = { net: '192.0.2' };

describe('a store of each kind', () => {
  it('is one server, or survives the loss of any one', () => {
    const servers = (kind: (typeof storeKinds)[number]) =>
      planServers(kind).filter(({ part }) => part === 'server').length;
    expect(storeKinds.map(servers)).toEqual([1, 3, 9]);
    expect(storeKinds.map(minReplicasOf)).toEqual([0, 1, 1]);
  });

  it('has a port and a name of its own for each server', () => {
    for (const kind of storeKinds) {
      const servers = planServers(kind);
      expect(new Set(servers.map(({ port }) => port)).size).toBe(servers.length);
      expect(new Set(servers.map(({ name }) => name)).size).toBe(servers.length);
    }
  });

  it('is named by a URL that says which kind', () => {
    expect(storeUrl('single', management)).toBe('redis://192.0.2.1:6390');
    expect(storeUrl('sentinel', management)).toMatch(/^redis\+sentinel:.*:26390,.*\/flowstore$/);
    expect(storeUrl('cluster', management)).toMatch(/^redis\+cluster:\/\/192\.0\.2\.1:6390,/);
  });

  it('keeps nothing on disk by itself', () => {
    for (const kind of storeKinds) {
      const options = serverOptions(kind, planServers(kind)[0]!, '192.0.2.1', '/tmp').join(' ');
      expect(options).toContain('--save  --appendonly no');
    }
  });
});
