/** A master that lives on where nobody else finds it: the other side of a partition, for tests. */
import { Redis } from 'ioredis';
import type { ServerProcess } from './server-process.ts';

/**
 * Its replicas and the Sentinels can't talk to it any more; clients that are connected can. One of
 * its replicas is made the master after a while.
 */
export async function isolateMaster({ port }: ServerProcess): Promise<void> {
  const admin = new Redis({ host: '127.0.0.1', port, protocol: 2 });
  await admin.config('SET', 'requirepass', 'unknown-to-the-others');
  const clients = String(await admin.call('CLIENT', 'LIST')).split('\n');
  for (const client of clients.filter((line) => /name=sentinel-|flags=S/.test(line))) {
    await admin.call('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(client)![1]!);
  }
  admin.disconnect();
}
