import { describe, expect, it } from 'vitest';
import { describeMissing, missingTools, neededTools } from './packages.mjs';

const here = { linux: true, root: true };
const debian = (tools: { debian: string }[]) => tools.map((tool) => tool.debian);
const nothing = () => false;

describe('what a task needs', () => {
  it('is Redis and the network tools as root on Linux', () => {
    const base = ['redis-server', 'iproute2', 'iputils-ping'];
    expect(debian(neededTools('demo', here))).toEqual(base);
    expect(debian(neededTools('lab', here))).toEqual(base);
    const [redis, ...network] = base;
    const tools = debian(neededTools('test', here));
    expect(tools.slice(0, 6)).toEqual([redis, 'openssl', ...network, 'iperf3', 'ethtool']);
    expect(tools).toContain('tcpdump');
  });

  it('is nothing for a benchmark in memory', () => {
    expect(neededTools('bench', here)).toEqual([]);
  });

  it('is an engine’s client and a maker of Debian for the images', () => {
    expect(debian(neededTools('images', here))).toEqual(['docker.io', 'mmdebstrap']);
  });

  it('is Redis alone elsewhere, and nothing for a lab that refuses anyway', () => {
    for (const place of [
      { linux: true, root: false },
      { linux: false, root: true },
    ]) {
      expect(debian(neededTools('demo', place))).toEqual(['redis-server']);
      expect(debian(neededTools('test', place))).toEqual(['redis-server', 'openssl']);
      expect(neededTools('lab', place)).toEqual([]);
    }
  });

  it('is missing only when neither installed nor named', () => {
    const missing = (task: string, env: object, has: (program: string) => boolean) =>
      debian(missingTools(task, neededTools(task, here), env, has));
    expect(missing('lab', {}, nothing)).toHaveLength(3);
    expect(missing('lab', {}, (program) => program === 'valkey-server')).not.toContain(
      'redis-server',
    );
    expect(missing('lab', { REDIS_SERVER_BIN: '/x' }, nothing)).not.toContain('redis-server');
    expect(missing('lab', { REDIS_URL: 'redis://x' }, nothing)).toContain('redis-server');
    expect(missing('demo', { REDIS_URL: 'redis://x' }, nothing)).not.toContain('redis-server');
  });

  it('is named in one line, with how to get it', () => {
    const line = describeMissing('demo', neededTools('demo', here));
    expect(line).toBe(
      'npm run demo needs redis-server or valkey-server, ip, ping, not found here; install it ' +
        '(Debian, as root: apt-get install redis-server iproute2 iputils-ping), ' +
        'or name a Redis server in REDIS_SERVER_BIN or REDIS_URL',
    );
  });
});
