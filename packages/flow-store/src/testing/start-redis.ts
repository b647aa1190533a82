/**
 * A Redis for tests: the one of REDIS_URL if that is set, else a private server on a free loopback
 * port, from REDIS_SERVER_BIN or redis-server or valkey-server on PATH. Stopped by its pid, and
 * never left behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { withoutPassword } from '../redis/redis-runner.ts';

export interface TestRedis {
  readonly url: string;
  /** Of the private server; null where REDIS_URL names one that is not ours to stop. */
  readonly pid: number | null;
  stop(): Promise<void>;
}

const SERVER_NAMES = ['redis-server', 'valkey-server'];
/** Somebody else may take the port between our looking and the server's binding it. */
const PORT_TRIES_MAX = 5;

/** Throws an Error that says what to install where there is no server to be had. */
export async function startRedis(serverArguments: readonly string[] = []): Promise<TestRedis> {
  const url = process.env.REDIS_URL;
  if (url !== undefined && url !== '') return borrow(url);
  const program = findServer();
  for (let attempt = 1; ; attempt++) {
    try {
      return await spawnServer(program, await freePort(), serverArguments);
    } catch (error) {
      if (attempt === PORT_TRIES_MAX) throw error;
    }
  }
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

function findServer(): string {
  const named = process.env.REDIS_SERVER_BIN;
  if (named !== undefined && named !== '') return named;
  const directories = (process.env.PATH ?? '').split(delimiter);
  for (const name of SERVER_NAMES) {
    for (const directory of directories) {
      if (existsSync(join(directory, name))) return join(directory, name);
    }
  }
  throw new Error(
    'no redis-server or valkey-server on PATH: install the package redis-server ' +
      '(Debian: apt-get install redis-server), or set REDIS_SERVER_BIN or REDIS_URL',
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      server.close(() => resolve(address.port));
    });
  });
}

async function spawnServer(
  program: string,
  port: number,
  serverArguments: readonly string[],
): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'flowstore-redis-'));
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory];
  const child = spawn(
    program,
    [
      ...fixed,
      '--save',
      '',
      '--appendonly',
      'no',
      '--maxmemory-policy',
      'noeviction',
      '--daemonize',
      'no',
      ...serverArguments,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const watchdog = watch(child, directory);
  const stop = async () => {
    watchdog.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await untilReady(child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis://127.0.0.1:${port}`, pid: child.pid!, stop };
}

/**
 * Ends the server and removes its directory when this process is gone, however it went (a test
 * runner kills its workers): the pipe that the watchdog reads from ends then.
 */
function watch(child: ChildProcess, directory: string): ChildProcess {
  const script = 'trap "" INT TERM HUP; cat > /dev/null; kill -9 "$1"; rm -rf "$2"';
  const watchdog = spawn('sh', ['-c', script, 'watchdog', String(child.pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.on('error', () => child.kill('SIGKILL'));
  watchdog.unref();
  return watchdog;
}

/** The server says so itself; it exits instead where it can't bind its port. */
function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`redis-server ended: ${said.join('\n')}`)));
    // Read on for ever: a server whose pipe is full would stop.
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (said.length < 50) said.push(line);
      if (line.includes('eady to accept connections')) resolve();
    });
  });
}
