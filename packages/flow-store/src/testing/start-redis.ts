/**
 * A Redis for tests: the one of REDIS_URL if that is set, else a private server on a free loopback
 * port, from REDIS_SERVER_BIN or redis-server or valkey-server on PATH. Stopped by its pid, and
 * never left behind.
 */
import { withoutPassword } from '@flowstore/flow';
import { Redis } from 'ioredis';
import { startServer } from './server-process.ts';

export interface TestRedis {
  readonly url: string;
  /** Of the private server; null where REDIS_URL names one that is not ours to stop. */
  readonly pid: number | null;
  stop(): Promise<void>;
}

/** Throws an Error that says what to install where there is no server to be had. */
export async function startRedis(serverArguments: readonly string[] = []): Promise<TestRedis> {
  const url = process.env.REDIS_URL;
  if (url !== undefined && url !== '') return borrow(url);
  const { port, pid, stop } = await startServer(serverArguments);
  return { url: `redis://127.0.0.1:${port}`, pid, stop };
}

/** It must be empty when we come, for what is in it afterwards is ours: it is emptied again. */
async function borrow(url: string): Promise<TestRedis> {
  const redis = new Redis(url, { protocol: 2, lazyConnect: true, retryStrategy: () => null });
  // Told by the call that fails.
  redis.on('error', () => {});
  try {
    await redis.connect().catch((error: Error) => {
      throw new Error(`no Redis answers at REDIS_URL (${withoutPassword(url)}): ${error.message}`);
    });
    if ((await redis.dbsize()) > 0) {
      throw new Error('REDIS_URL names a database that is not empty: its keys would be deleted');
    }
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  const stop = async () => {
    await redis.flushdb();
    redis.disconnect();
  };
  return { url, pid: null, stop };
}
