/** Servers of our own for tests, each in a process and a directory that go when we go. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

export interface ServerProcess {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const SERVER_NAMES = ['redis-server', 'valkey-server'];
/** Nothing on disk, nothing evicted; a replica is served at once. */
const PLAIN = [
  ['--save', ''],
  ['--appendonly', 'no'],
  ['--maxmemory-policy', 'noeviction'],
  ['--daemonize', 'no'],
  ['--repl-diskless-sync-delay', '0'],
].flat();
/** Somebody else may take the port between our looking and the server's binding it. */
const PORT_TRIES_MAX = 5;

/** On a free port. Throws an Error that says what to install where there is no server. */
export async function startServer(
  serverArguments: readonly string[] = [],
  { tls = false } = {},
): Promise<ServerProcess> {
  const program = findServer();
  for (let attempt = 1; ; attempt++) {
    try {
      const port = String(await freePort());
      const ports = tls ? ['--tls-port', port, '--port', '0'] : ['--port', port];
      return await spawnServer(program, Number(port), [...ports, ...serverArguments]);
    } catch (error) {
      if (attempt === PORT_TRIES_MAX) throw error;
    }
  }
}

export function findServer(): string {
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

export function freePort(): Promise<number> {
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

/** A server on a port of the loopback, in a directory of its own. */
async function spawnServer(
  program: string,
  port: number,
  serverArguments: readonly string[],
): Promise<ServerProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'flowstore-redis-'));
  const fixed = ['--bind', '127.0.0.1', '--dir', directory];
  const child = spawn(program, [...fixed, ...PLAIN, ...serverArguments], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return untilUp(child, port, directory, 'eady to accept connections');
}

/** A Sentinel, with what it is told to watch: it writes its configuration anew all the time. */
export async function spawnSentinel(
  program: string,
  lines: readonly string[],
  { tls = false } = {},
) {
  const directory = await mkdtemp(join(tmpdir(), 'flowstore-sentinel-'));
  const port = await freePort();
  const file = join(directory, 'sentinel.conf');
  const ports = tls ? [`tls-port ${port}`, 'port 0'] : [`port ${port}`];
  await writeFile(file, [...ports, 'bind 127.0.0.1', ...lines, ''].join('\n'));
  const child = spawn(program, [file, '--sentinel'], { stdio: ['ignore', 'pipe', 'ignore'] });
  return untilUp(child, port, directory, '+monitor');
}

async function untilUp(
  child: ChildProcess,
  port: number,
  directory: string,
  sign: string,
): Promise<ServerProcess> {
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
    await untilSaid(child, sign);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, pid: child.pid!, stop };
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
function untilSaid(child: ChildProcess, sign: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`redis-server ended: ${said.join('\n')}`)));
    // Read on for ever: a server whose pipe is full would stop.
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (said.length < 50) said.push(line);
      if (line.includes(sign)) resolve();
    });
  });
}
