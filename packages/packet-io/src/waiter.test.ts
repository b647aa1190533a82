import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { bootClock } from './clock.ts';
import { createMemoryLink } from './memory-wire.ts';
import { nativeSupported } from './native.ts';
import { createWaiter, createWaker } from './waiter.ts';

const clock = bootClock();

describe.skipIf(!nativeSupported())('a waiter (needs Linux)', () => {
  test('returns when time is up', () => {
    const waiter = createWaiter(createMemoryLink('a', 'b'));
    const startMs = clock();
    waiter.wait(20);
    expect(clock() - startMs).toBeGreaterThanOrEqual(19);
    waiter.close();
  });

  test('only looks when the time is 0 or less, or when it is closed', () => {
    const waiter = createWaiter([]);
    const startMs = clock();
    waiter.wait(0);
    waiter.wait(-1);
    waiter.wait(Number.NEGATIVE_INFINITY);
    waiter.close();
    waiter.close();
    waiter.wait(60_000);
    expect(clock() - startMs).toBeLessThan(5_000);
  });

  test('a wake before the wait counts, once however often it was called', () => {
    const waiter = createWaiter([]);
    const waker = createWaker(waiter.wakeFd);
    for (let k = 0; k < 5; k++) waker.wake();
    const startMs = clock();
    waiter.wait(60_000);
    expect(clock() - startMs).toBeLessThan(5_000);
    const drainedMs = clock();
    waiter.wait(20);
    expect(clock() - drainedMs).toBeGreaterThanOrEqual(19);
    waiter.close();
  });

  test('a source that is readable wakes', () => {
    const source = createWaiter([]);
    const waiter = createWaiter([{ fd: -1 }, { fd: source.wakeFd }]);
    createWaker(source.wakeFd).wake();
    const startMs = clock();
    waiter.wait(60_000);
    expect(clock() - startMs).toBeLessThan(5_000);
    waiter.close();
    source.close();
  });

  test('another thread wakes it', async () => {
    const worker = new Worker(new URL('./testing/waiting-worker.ts', import.meta.url));
    const [{ wakeFd }] = await once(worker, 'message');
    const startMs = clock();
    createWaker(wakeFd).wake();
    const [{ woken }] = await once(worker, 'message');
    expect(woken).toBe(true);
    expect(clock() - startMs).toBeLessThan(5_000);
    await once(worker, 'exit');
  });
});
