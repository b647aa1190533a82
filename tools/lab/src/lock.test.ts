import { describe, expect, it } from 'vitest';
import { withLock } from './lock.ts';

describe.skipIf(process.platform !== 'linux')('the lock', () => {
  const path = `\0flowstore-lab-test-${process.pid}`;

  it('lets one in at a time', async () => {
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    await Promise.all([1, 2, 3, 4].map(() => withLock('test', work, { path, waitMs: 10_000 })));
    expect(most).toBe(1);
  });

  it('says who holds it to those who waited in vain', async () => {
    await withLock(
      'up',
      async () => {
        const second = withLock('down', async () => {}, { path, waitMs: 50 });
        await expect(second).rejects.toThrow(`the lab is busy: lab up (pid ${process.pid})`);
      },
      { path },
    );
  });

  it('is free again after a failure', async () => {
    const fail = async () => {
      throw new Error('no');
    };
    await expect(withLock('up', fail, { path })).rejects.toThrow('no');
    expect(await withLock('up', async () => 'in', { path, waitMs: 100 })).toBe('in');
  });
});
