/** For tests: a reaper as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, vi } from 'vitest';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
export const WAIT = { timeout: 20_000, interval: 50 };

export class ReaperProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  stdout = '';
  stderr = '';

  /** Killed when the test is over, if it still runs. */
  constructor(config: object, args: readonly string[] = []) {
    const folder = mkdtempSync(join(tmpdir(), 'flowstore-reaper-'));
    const file = join(folder, 'reaper.json');
    writeFileSync(file, JSON.stringify(config));
    const argv = [MAIN, '--config', file, ...args];
    this.child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.on('data', (data) => {
      this.stdout += data;
    });
    this.child.stderr!.on('data', (data) => {
      this.stderr += data;
    });
    this.exited = new Promise((resolve) => this.child.on('close', resolve));
    onTestFinished(async () => {
      this.child.kill('SIGKILL');
      await this.exited;
      rmSync(folder, { recursive: true });
    });
  }

  /** Where its HTTP side listens, once it does. */
  async url(): Promise<string> {
    const find = () => /"url":"(http:[^"]+)"/.exec(this.stdout)?.[1];
    await vi.waitFor(() => expect(find(), this.stdout + this.stderr).toBeDefined(), WAIT);
    return find()!;
  }

  async ready(): Promise<{ status: number; reasons: string[] }> {
    const response = await fetch(`${await this.url()}/readyz`);
    const { reasons } = (await response.json()) as { reasons: string[] };
    return { status: response.status, reasons };
  }

  async metric(name: string, label = ''): Promise<number> {
    return metricAt(await this.url(), name, label);
  }
}

/** A metric without labels, or summed over those that have the given one: `outcome="failed"`. */
export async function metricAt(url: string, name: string, label = ''): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const values = text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .filter((line) => line.includes(label))
    .map((line) => Number(line.slice(line.lastIndexOf(' '))));
  return values.reduce((sum, value) => sum + value, 0);
}
