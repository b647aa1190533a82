import { startRedis } from '@flowstore/flow-store/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { runMemoryDemo, runWith } from './demo.ts';

const SHORT = {
  downloadBytes: 2_000_000,
  downloadMs: 5_000,
  connections: 60,
  trickleEveryMs: 200,
  probeEveryMs: 100,
  awayMs: 700,
  settleMaxMs: 3_000,
};

afterEach(() => vi.unstubAllEnvs());

test('a short run on a real Redis loses nothing', async () => {
  const lines: string[] = [];
  const { signal } = new AbortController();
  const result = await runWith({ say: (line) => lines.push(line), signal }, SHORT);
  expect(result.failures).toEqual([]);
  expect(result.traffic.map(({ name, survived }) => [name, survived])).toEqual([
    ['download', 1],
    ['TCP', 60],
    ['UDP echo', 2],
    ['ping', 2],
  ]);
  expect(result.traffic[0]!.note).toBe('2.0 MB, SHA-256 right');
  expect(result.gateways.map(({ kills }) => kills)).toEqual([1, 1]);
  expect(lines.join('\n')).toMatch(/gw\d is back with an empty table/);
});

test('the Redis of REDIS_URL serves one run after another', async () => {
  const redis = await startRedis();
  try {
    vi.stubEnv('REDIS_URL', redis.url);
    const { signal } = new AbortController();
    for (let run = 1; run <= 2; run++) {
      const result = await runWith({ say: () => {}, signal }, SHORT);
      expect(result.failures).toEqual([]);
    }
  } finally {
    await redis.stop();
  }
});

test('where nobody answers at REDIS_URL it says so', async () => {
  vi.stubEnv('REDIS_URL', 'redis://127.0.0.1:1');
  const { signal } = new AbortController();
  const run = runMemoryDemo({ say: () => {}, signal });
  await expect(run).rejects.toThrow(
    /^the demo needs a Redis: no Redis answers at REDIS_URL [^\n]*$/,
  );
});

test('without a Redis it says what is missing, in one line', async () => {
  vi.stubEnv('REDIS_URL', '');
  vi.stubEnv('REDIS_SERVER_BIN', '');
  vi.stubEnv('PATH', '');
  const { signal } = new AbortController();
  const run = runMemoryDemo({ say: () => {}, signal });
  await expect(run).rejects.toThrow(/^the demo needs a Redis: no redis-server .* install [^\n]*$/);
});
