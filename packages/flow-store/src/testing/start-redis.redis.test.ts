import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, it, vi } from 'vitest';
import { startRedis } from './start-redis.ts';

/** Needs a server of its own, which REDIS_URL is not. */
const own = it.skipIf(process.env.REDIS_URL !== undefined);

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

own('ends with the test that stops it', async () => {
  const { pid, stop } = await startRedis();
  expect(lives(pid!)).toBe(true);
  await stop();
  expect(lives(pid!)).toBe(false);
});

own('does not outlive a test process that is killed', async () => {
  const module = new URL('./start-redis.ts', import.meta.url).href;
  const source = `import { startRedis } from '${module}';
    const { pid } = await startRedis();
    console.log(pid);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const pid = Number(line);
  expect(lives(pid)).toBe(true);
  child.kill('SIGKILL');
  await vi.waitUntil(() => !lives(pid), { timeout: 5_000 });
});

own('names the package to install where there is no server', async () => {
  vi.stubEnv('PATH', '');
  vi.stubEnv('REDIS_SERVER_BIN', '');
  await expect(startRedis()).rejects.toThrow('apt-get install redis-server');
  vi.unstubAllEnvs();
});

it('says that nobody answers at REDIS_URL, without its password', async () => {
  vi.stubEnv('REDIS_URL', 'redis://user:secret@127.0.0.1:1');
  try {
    await expect(startRedis()).rejects.toThrow(/no Redis answers at REDIS_URL.*127\.0\.0\.1:1/);
    await expect(startRedis()).rejects.not.toThrow(/secret/);
  } finally {
    vi.unstubAllEnvs();
  }
});
