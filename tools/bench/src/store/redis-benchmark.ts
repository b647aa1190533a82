/** Redis' own benchmark on the same server, where it is installed: the floor by another hand. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runProcess } from '../process.ts';
import type { StoreServer } from './store-server.ts';

export interface RedisBenchmark {
  readonly setPairServerUs: number;
  readonly getServerUs: number;
}

const NAME = 'redis-benchmark';
const REQUESTS = 200_000;
const KEYS = 100_000;
/** A database of its own, to be emptied afterwards. */
const DATABASE = 2;
const LIMIT_MS = 30_000;

/** null where it is not installed. */
export async function runRedisBenchmark(server: StoreServer): Promise<RedisBenchmark | null> {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const folder = folders.find((path) => path !== '' && existsSync(join(path, NAME)));
  if (folder === undefined) return null;
  const run = async (test: string) => {
    const numbers = { p: server.port, n: REQUESTS, r: KEYS, P: 16, d: 64, t: test };
    const args = Object.entries(numbers).flatMap(([name, value]) => [`-${name}`, String(value)]);
    const command = {
      program: join(folder, NAME),
      args: [...args, '-q', '--dbnum', `${DATABASE}`],
    };
    const cost = await server.cost(REQUESTS, async () => {
      await runProcess(command, LIMIT_MS);
    });
    return cost.serverUs;
  };
  const setUs = await run('set');
  const getServerUs = await run('get');
  await server.redis.call('SELECT', String(DATABASE));
  await server.redis.flushdb();
  await server.redis.call('SELECT', '0');
  return { setPairServerUs: 2 * setUs, getServerUs };
}
