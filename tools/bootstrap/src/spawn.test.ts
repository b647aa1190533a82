import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { onceEach, runChild } from './spawn.mjs';

describe('runChild', () => {
  const node = (script: string) => runChild(process.execPath, ['-e', script], { stdio: 'ignore' });

  it('passes exit codes and ends by signal through', async () => {
    expect(await node('process.exit(7)')).toBe(7);
    expect(await node('process.kill(process.pid, "SIGKILL")')).toBe(137);
    expect(await runChild('/does/not/exist', [], { stdio: 'ignore' })).toBe(127);
  });

  it('ends what takes too long', async () => {
    const script = 'setInterval(() => {}, 1000)';
    const options = { stdio: 'ignore', limitMs: 200 };
    expect(await runChild(process.execPath, ['-e', script], options)).toBe(143);
  });

  it('takes a repeated signal for the same one, and a later one for another', () => {
    const isNew = onceEach(500);
    const at = (signal: string, ms: number) => isNew(signal, ms);
    expect([at('SIGINT', 0), at('SIGINT', 10), at('SIGTERM', 20), at('SIGINT', 900)]).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });

  it('lets one Ctrl-C of the whole group reach the child once, which then ends', async () => {
    const child = `
      let heard = 0;
      process.on('SIGINT', () => { heard++; setTimeout(() => process.exit(10 + heard), 200); });
      setInterval(() => {}, 1000);
      console.log('up');
    `;
    const script = `
      const { runChild } = await import(${JSON.stringify(join(import.meta.dirname, 'spawn.mjs'))});
      process.exitCode = await runChild(process.execPath, ['-e', ${JSON.stringify(child)}]);
    `;
    const runner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(runner.stdout, 'data');
    // As a terminal does it, and as npm repeats it.
    process.kill(-(runner.pid as number), 'SIGINT');
    runner.kill('SIGINT');
    expect((await once(runner, 'exit'))[0]).toBe(11);
  });
});
