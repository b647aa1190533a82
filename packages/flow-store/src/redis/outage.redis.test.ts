/** A store that is not there, dies, hangs, or forgot the scripts: clear errors, never a hang. */
import { type AddressInfo, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { afterEach, expect, it, vi } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { udp } from '../conformance/scenario.ts';
import { StoreUnavailable } from '../contract.ts';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';
import { connectRedisStore } from './connect.ts';
import type { RedisFlowStore } from './redis-store.ts';

const FIND = { direction: 'inside', inside: udp(), remote: null } as const;
/** Needs a server of its own, which REDIS_URL is not. */
const own = it.skipIf(process.env.REDIS_URL !== undefined);

let server: TestRedis | undefined;
let store: RedisFlowStore | undefined;
afterEach(async () => {
  await store?.end();
  await server?.stop();
  server = store = undefined;
});

async function begin(options: { callTimeoutMs?: number; inFlightMax?: number } = {}) {
  server = await startRedis();
  const states: string[] = [];
  const onState = (state: string) => states.push(state);
  store = await connectRedisStore({ url: server.url, config, onState, ...options });
  return { server, store, states };
}

it('says where no Redis answers and what to do, without the password', async () => {
  const url = 'redis://gateway:secret@127.0.0.1:1/3';
  const refused = connectRedisStore({ url, config });
  await expect(refused).rejects.toThrow(StoreUnavailable);
  const error = await refused.catch((reason: Error) => reason);
  expect(String(error)).toContain('redis://gateway:***@127.0.0.1:1/3');
  expect(String(error)).toContain('ECONNREFUSED');
  expect(String(error)).toContain('start one there');
  expect(String(error)).not.toContain('secret');
});

it('rejects a text that is no URL without repeating it', async () => {
  const error = await connectRedisStore({ url: 'secret@host:1', config }).catch((e: Error) => e);
  expect(error).toBeInstanceOf(StoreUnavailable);
  expect(String(error)).toContain('must be redis://host:port');
  expect(String(error)).not.toContain('secret');
});

/** Something that takes connections and answers every line as told, like a server of its kind. */
async function pretend(answer: ((line: string) => string) | null) {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      if (answer !== null) socket.write(answer(String(data)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `redis://127.0.0.1:${port}`, close: () => server.close() };
}

it('gives up on something that accepts connections and never answers', async () => {
  const silent = await pretend(null);
  const refused = connectRedisStore({ url: silent.url, config, callTimeoutMs: 50 });
  await expect(refused).rejects.toThrow(StoreUnavailable);
  silent.close();
});

it('refuses a server that is too old', async () => {
  const info = 'redis_version:6.2.7\r\nloading:0\r\n';
  const old = await pretend((line) =>
    line.includes('info') ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n+OK\r\n',
  );
  const refused = connectRedisStore({ url: old.url, config });
  await expect(refused).rejects.toThrow('is 6.2.7: flowstore needs Redis 7.0');
  old.close();
});

own('rejects what is in flight when the server dies, and what comes after', async () => {
  const { server, store, states } = await begin();
  process.kill(server.pid!, 'SIGSTOP');
  const waiting = store.find([FIND]);
  process.kill(server.pid!, 'SIGKILL');
  await expect(waiting).rejects.toThrow(StoreUnavailable);
  await vi.waitUntil(() => states.includes('down'), { timeout: 5_000 });
  await expect(store.find([FIND])).rejects.toThrow(StoreUnavailable);
  expect(store.stats.inFlight).toBe(0);
});

own('comes back by itself when the server does', async () => {
  const { server: first, store, states } = await begin();
  const port = new URL(first.url).port;
  await first.stop();
  await vi.waitUntil(() => states.includes('down'), { timeout: 5_000 });
  server = await startRedis(['--port', port]);
  await vi.waitUntil(() => states.at(-1) === 'up', { timeout: 10_000 });
  expect(await store.find([FIND])).toEqual([{ kind: 'notYet' }]);
});

own('gives up a call after its timeout, and the connection that stays silent', async () => {
  const { server, store, states } = await begin({ callTimeoutMs: 100 });
  process.kill(server.pid!, 'SIGSTOP');
  await expect(store.find([FIND])).rejects.toThrow('no answer within 100 ms');
  expect(store.stats.timedOut).toBe(1);
  await vi.waitUntil(() => states.includes('down'), { timeout: 5_000 });
  process.kill(server.pid!, 'SIGCONT');
  await vi.waitUntil(() => states.at(-1) === 'up', { timeout: 10_000 });
  expect(await store.find([FIND])).toEqual([{ kind: 'notYet' }]);
  expect(store.stats.inFlight).toBe(0);
});

own('refuses calls beyond its limit at once, and counts them', async () => {
  const { server, store } = await begin({ callTimeoutMs: 500, inFlightMax: 2 });
  process.kill(server.pid!, 'SIGSTOP');
  const waiting = [store.find([FIND]), store.find([FIND])];
  await expect(store.find([FIND])).rejects.toThrow('at most 2 may be');
  expect(store.stats).toMatchObject({ inFlight: 2, refused: 1 });
  process.kill(server.pid!, 'SIGCONT');
  expect(await Promise.all(waiting)).toEqual([[{ kind: 'notYet' }], [{ kind: 'notYet' }]]);
  expect(store.stats.inFlight).toBe(0);
});

it('survives a server that forgot the scripts', async () => {
  const { server, store } = await begin();
  expect(await store.find([FIND])).toEqual([{ kind: 'notYet' }]);
  const admin = new Redis(server.url, { protocol: 2 });
  await admin.script('FLUSH');
  admin.disconnect();
  const results = await Promise.all([store.find([FIND]), store.find([FIND])]);
  expect(results).toEqual([[{ kind: 'notYet' }], [{ kind: 'notYet' }]]);
});
