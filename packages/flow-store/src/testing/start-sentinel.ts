/** A master, a replica and a Sentinel that watches them, for tests. */
import { Redis } from 'ioredis';
import { findServer, type ServerProcess, spawnSentinel, startServer } from './server-process.ts';

export interface TestSentinel {
  readonly url: string;
  readonly master: ServerProcess;
  readonly replica: ServerProcess;
  stop(): Promise<void>;
}

const NAME = 'flows';
const PATIENCE_MS = 20_000;

export async function startSentinel(): Promise<TestSentinel> {
  const running: ServerProcess[] = [];
  const stop = async () => {
    await Promise.all(running.map((server) => server.stop()));
  };
  try {
    const master = await startServer();
    running.push(master);
    const replica = await startServer(['--replicaof', `127.0.0.1 ${master.port}`]);
    running.push(replica);
    await untilLinked(replica);
    const sentinel = await spawnSentinel(findServer(), [
      `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${NAME} 500`,
      `sentinel failover-timeout ${NAME} 5000`,
    ]);
    running.push(sentinel);
    await untilKnown(sentinel);
    return { url: `redis+sentinel://127.0.0.1:${sentinel.port}/${NAME}`, master, replica, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilLinked({ port }: ServerProcess): Promise<void> {
  await until(port, async (client) =>
    (await client.info('replication')).includes('master_link_status:up'),
  );
}

/** The Sentinel learns of the replica from the master: without one it could not fail over. */
async function untilKnown({ port }: ServerProcess): Promise<void> {
  await until(port, async (client) => {
    const replicas = (await client.call('SENTINEL', 'REPLICAS', NAME)) as unknown[];
    return replicas.length > 0;
  });
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
