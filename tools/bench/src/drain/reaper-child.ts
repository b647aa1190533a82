/** A reaper in a process of its own, as it is installed; and what its metrics say. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CONFIG } from '../store/store-server.ts';

const MAIN = fileURLToPath(new URL('../../../../apps/reaper/src/main.ts', import.meta.url));
const START_MAX_MS = 60_000;
const DELETED = 'flowstore_reaper_bindings_deleted_total';
const CPU = 'process_cpu_seconds_total';

export class ReaperChild {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #url: Promise<string>;

  constructor({ storeUrl, queueUrl }: { storeUrl: string; queueUrl: string }) {
    this.#folder = mkdtempSync(join(tmpdir(), 'flowstore-bench-'));
    const file = join(this.#folder, 'reaper.json');
    const redis = { url: storeUrl, callTimeoutMs: 30_000 };
    // The audit would be counted as the sweeps' cost.
    const audit = { everyMs: 3_600_000, keysMax: 1 };
    writeFileSync(
      file,
      JSON.stringify({ redis, queueUrl, cluster: CONFIG, http: { port: 0 }, audit }),
    );
    const argv = [MAIN, '--config', file];
    this.#child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#url = new Promise((resolve, reject) => {
      let text = '';
      const late = setTimeout(() => reject(new Error('no reaper started')), START_MAX_MS);
      this.#child.stdout!.on('data', (data) => {
        text = (text + data).slice(-10_000);
        const url = /"url":"(http:[^"]+)"/.exec(text)?.[1];
        if (url === undefined) return;
        clearTimeout(late);
        resolve(url);
      });
      this.#child.on('exit', (code) => reject(new Error(`the reaper ended with ${code}`)));
    });
    // Who asks for its progress hears of it.
    this.#url.catch(() => {});
  }

  async progress(): Promise<{ deleted: number; cpuS: number }> {
    const text = await (await fetch(`${await this.#url}/metrics`)).text();
    const of = (name: string) =>
      Number(new RegExp(`^${name}(?:{[^}]*})? (.*)$`, 'm').exec(text)?.[1] ?? 0);
    return { deleted: of(DELETED), cpuS: of(CPU) };
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode === null && this.#child.kill('SIGTERM')) await ended;
    rmSync(this.#folder, { recursive: true });
  }
}
