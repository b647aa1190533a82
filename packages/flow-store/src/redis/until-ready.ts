/**
 * Connects a client that was made lazily. A cluster's `connect()` alone is nothing to wait for:
 * where its first attempt fails and a later one of its own does not, ioredis is ready and the
 * promise never settles (in a failover 8 of 190, 27 November 2026).
 */
import type { RedisClient } from './redis-client.ts';
import { systemTimers, type Timers } from './timers.ts';

/** So many timeouts may one connection take: a name, a server, and one that was moved to. A cluster
 * that names its servers by addresses at which nobody is would be asked for ever. */
const CONNECT_TRIES_MAX = 3;

/** Rejects with what kept it from connecting, or once that took too many of its timeouts. */
export function untilReady(
  client: RedisClient,
  connectTimeoutMs: number,
  timers: Timers = systemTimers,
): Promise<void> {
  const limitMs = CONNECT_TRIES_MAX * connectTimeoutMs;
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
