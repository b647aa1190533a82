/** A master, its replicas and a Sentinel that watches them, for tests. */
import { Redis } from 'ioredis';
import { findServer, type ServerProcess, spawnSentinel, startServer } from './server-process.ts';

export interface TestSentinel {
  readonly url: string;
  readonly master: ServerProcess;
  readonly replicas: readonly ServerProcess[];
  stop(): Promise<void>;
}

const NAME = 'flows';
const PATIENCE_MS = 20_000;

export async function startSentinel({ replicas: count = 1 } = {}): Promise<TestSentinel> {
  const running: ServerProcess[] = [];
  const stop = async () => {
    await Promise.all(running.map((server) => server.stop()));
  };
  try {
    const master = await startServer();
    running.push(master);
    for (let i = 0; i < count; i++) {
      const replica = await startServer(['--replicaof', `127.0.0.1 ${master.port}`]);
      running.push(replica);
    }
    await until(master.port, (client) => haveWrites(client, count));
    const replicas = running.slice(1);
    const sentinel = await spawnSentinel(findServer(), [
      `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${NAME} 500`,
      `sentinel failover-timeout ${NAME} 5000`,
    ]);
    running.push(sentinel);
    await untilKnown(sentinel, count);
    return { url: `redis+sentinel://127.0.0.1:${sentinel.port}/${NAME}`, master, replicas, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The Sentinel learns of the replicas from the master: without one it could not fail over. */
async function untilKnown({ port }: ServerProcess, count: number): Promise<void> {
  await until(port, async (client) => {
    const replicas = (await client.call('SENTINEL', 'REPLICAS', NAME)) as unknown[];
    return replicas.length === count;
  });
}

/**
 * Whether so many replicas confirm what is written now. One that is linked does not do so at once:
 * the master begins to send when it has heard of it.
 */
export async function haveWrites(client: Redis, replicas: number): Promise<boolean> {
  await client.flushdb();
  return (await client.wait(replicas, 200)) >= replicas;
}

async function until(port: number, holds: (client: Redis) => Promise<boolean>): Promise<void> {
  const client = new Redis({ host: '127.0.0.1', port, protocol: 2 });
  const limitMs = performance.now() + PATIENCE_MS;
  try {
    while (!(await holds(client))) {
      if (performance.now() > limitMs) throw new Error('the servers do not find each other');
    }
  } finally {
    client.disconnect();
  }
}
