/**
 * Connects a client that was made lazily. A cluster's `connect()` alone is nothing to wait for:
 * where its first attempt fails and a later one of its own does not, ioredis is ready and the
 * promise never settles (in a failover 8 of 190, 27 November 2026).
 */
import type { RedisClient } from './redis-client.ts';
import { systemTimers, type Timers } from './timers.ts';

/** Rejects with what kept it from connecting, or once the time is over. */
export function untilReady(
  client: RedisClient,
  limitMs: number,
  timers: Timers = systemTimers,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const late = new Error(`not connected within ${limitMs} ms`);
    const cancel = timers.after(limitMs, () => end(() => reject(late)));
    const end = (settle: () => void) => {
      cancel();
      client.off('ready', onReady);
      settle();
    };
    const onReady = () => end(resolve);
    client.on('ready', onReady);
    client.connect().then(onReady, (error) => end(() => reject(error)));
  });
}
