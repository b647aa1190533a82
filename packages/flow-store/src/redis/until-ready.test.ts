/** Stand-ins for ioredis: what it does in one failover of twenty is not to be had when wanted. */
import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import type { RedisClient } from './redis-client.ts';
import { untilReady } from './until-ready.ts';

const CONNECT_TIMEOUT_MS = 3_000;
const never = new Promise<void>(() => {});

/** A client, and the timers that it is waited for with: `late` lets the time be over. */
function clientThat(connecting: Promise<void>) {
  const client = Object.assign(new EventEmitter(), { connect: () => connecting });
  const waiting = new Set<() => void>();
  const timers = {
    after(delayMs: number, late: () => void) {
      expect(delayMs).toBe(3 * CONNECT_TIMEOUT_MS);
      waiting.add(late);
      return () => waiting.delete(late);
    },
  };
  const connected = untilReady(client as unknown as RedisClient, CONNECT_TIMEOUT_MS, timers);
  const late = () => {
    for (const run of waiting) run();
  };
  return { client, connected, late, waiting };
}

it('takes a client that is ready for connected, whatever its promise says', async () => {
  const { client, connected, waiting } = clientThat(never);
  client.emit('ready');
  await connected;
  expect(waiting.size).toBe(0);
  expect(client.listenerCount('ready')).toBe(0);
});

it('takes the promise for it, too', async () => {
  const { connected, waiting } = clientThat(Promise.resolve());
  await connected;
  expect(waiting.size).toBe(0);
});

it('rejects with what kept the client from it', async () => {
  const { connected, waiting } = clientThat(Promise.reject(new Error('refused')));
  await expect(connected).rejects.toThrow('refused');
  expect(waiting.size).toBe(0);
});

it('rejects once the time is over', async () => {
  const { client, connected, late } = clientThat(never);
  late();
  await expect(connected).rejects.toThrow('not connected within 9000 ms');
  expect(client.listenerCount('ready')).toBe(0);
});
