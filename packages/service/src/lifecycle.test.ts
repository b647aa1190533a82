import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';

const FIXTURE = fileURLToPath(new URL('./testing/lifecycle-fixture.ts', import.meta.url));

class Run {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly exited: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(how: string) {
    this.child = spawn(process.execPath, [FIXTURE, how], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout.on('data', (data) => {
      this.stdout += data;
    });
    this.child.stderr.on('data', (data) => {
      this.stderr += data;
    });
    this.exited = new Promise((resolve) => this.child.on('close', resolve));
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  async says(text: string): Promise<void> {
    await vi.waitFor(() => expect(this.stdout).toContain(text), { timeout: 20_000 });
  }
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s stops it gracefully', async (signal) => {
  const run = new Run('good');
  await run.says('"up"');
  run.child.kill(signal);
  expect(await run.exited).toBe(0);
  expect(run.stdout).toContain('stop called');
  expect(run.stdout).toContain('"msg":"stopped"');
});

test('a signal while it starts ends it, too', async () => {
  const run = new Run('slow-start');
  await run.says('"up"');
  run.child.kill('SIGTERM');
  expect(await run.exited).toBe(0);
});

test('a stop that takes too long is cut off with exit 1 and a line', async () => {
  const run = new Run('hangs-short');
  await run.says('"up"');
  run.child.kill('SIGTERM');
  expect(await run.exited).toBe(1);
  expect(run.stdout).toContain('not stopped within 50 ms');
});

test('a second signal exits at once', async () => {
  const run = new Run('hangs');
  await run.says('"up"');
  run.child.kill('SIGTERM');
  await run.says('stop called');
  run.child.kill('SIGINT');
  expect(await run.exited).toBe(1);
  expect(run.stdout).toContain('second signal');
});

test('a stop that fails is logged, exit 1', async () => {
  const run = new Run('fails-to-stop');
  await run.says('"up"');
  run.child.kill('SIGTERM');
  expect(await run.exited).toBe(1);
  expect(run.stdout).toContain('stopping failed');
});

test.each(['throws-later', 'rejects-later'])('%s: logged, exit 1', async (how) => {
  const run = new Run(how);
  expect(await run.exited).toBe(1);
  expect(run.stdout + run.stderr).toContain('later');
});

test('a refused configuration prints every problem on stderr, exit 2', async () => {
  const run = new Run('bad-config');
  expect(await run.exited).toBe(2);
  expect(run.stderr).toBe(
    'fixture: a.yaml:1: x: found 1, allowed: text\nfixture: a.yaml:2: y: found 2, allowed: text\n',
  );
});

test('a failure to start is one line without secrets, exit 1', async () => {
  const run = new Run('no-store');
  expect(await run.exited).toBe(1);
  expect(run.stderr).toBe(
    'fixture: cannot reach redis://me:***@127.0.0.1:1 (FLOWSTORE_STORE_UNAVAILABLE)\n',
  );
});

test('a bug at start shows where', async () => {
  const run = new Run('bug');
  expect(await run.exited).toBe(1);
  expect(run.stderr).toMatch(/^fixture: TypeError: x is not a function\n {4}at /);
});
