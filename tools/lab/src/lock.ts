// One lab command at a time. The lock is a listening socket in the kernel's abstract namespace:
// the kernel drops it with its holder, however that ends, so it can't go stale, needs no file
// that `down` would have to leave behind, and answers who holds it to those who ask.
import { createConnection, createServer, type Server } from 'node:net';
import { LabError } from './errors.ts';
import { waitFor } from './wait.ts';

const lockPath = '\0flowstore-lab';

function tryLock(holder: string, path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((asker) => {
      asker.on('error', () => {});
      asker.end(holder);
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(path, () => resolve(server));
  });
}

/** Who holds the lock, in their own words. */
function askHolder(path: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = createConnection(path);
    socket.setTimeout(1_000, () => socket.destroy());
    socket.setEncoding('utf8').on('data', (text) => (answer += text));
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer || 'somebody'));
  });
}

export type LockOptions = { waitMs?: number; path?: string; signal?: AbortSignal };

/** Runs `work` while nobody else holds the lock; waits for the holder at most `waitMs`. */
export async function withLock<T>(
  what: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const path = options.path ?? lockPath;
  const holder = `lab ${what} (pid ${process.pid})`;
  const waitOptions = options.signal ? { signal: options.signal } : {};
  const server = await waitFor(
    'the lab',
    () => tryLock(holder, path),
    options.waitMs ?? 120_000,
    waitOptions,
  ).catch(async (error) => {
    if (!(error instanceof LabError)) throw error;
    throw new LabError('LAB_CONFLICT', `the lab is busy: ${await askHolder(path)}`);
  });
  try {
    return await work();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
