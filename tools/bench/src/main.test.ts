/** The program as it is run. What it measures is not asserted, but that it measures. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MEASURES } from './figures.ts';
import { runProcess } from './process.ts';
import { missingForRust } from './rust-peer.ts';

function bench(...args: string[]) {
  const program = join(import.meta.dirname, 'main.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    // Without cargo: the Rust peer is built where it is wanted.
    env: { ...process.env, PATH: '' },
    timeout: 50_000,
  });
  return { status, stdout, stderr };
}

describe('bench table', () => {
  test('ends with one line of JSON that holds every figure of every contestant', () => {
    const { status, stdout, stderr } = bench('table', '--flows', '2000', '--runs', '1', '--json');
    expect(stderr).toMatch(/bench: 2000 flows, run 1 of 1: table/);
    expect(stderr).toMatch(/bench: the Rust peer is skipped: there is no cargo/);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^2000 flows: one run/m);
    const result = JSON.parse(stdout.trimEnd().split('\n').at(-1) as string);
    expect(Object.keys(result.peers)).toEqual([
      'map',
      'lruCache',
      'ancestorHeap',
      'ancestorTimeout',
    ]);
    for (const figures of [result.table, ...Object.values<object>(result.peers)]) {
      expect(figures).toEqual(
        Object.fromEntries([
          ['flows', 2_000],
          ...MEASURES.map(({ name }) => [name, expect.any(Number)]),
        ]),
      );
    }
    expect(result.skipped).toEqual({ rust: 'there is no cargo' });
    expect(result.sizes).toHaveLength(1);
    expect(result.sizes[0].table).toEqual(result.table);
  });

  test('refuses what it does not understand, with exit code 2', () => {
    const wrong = [
      { args: ['table', '--flows', '0'], says: /--flows.*whole number from 1 to 10000000/ },
      { args: ['table', '--flows', '1e6'], says: /whole number/ },
      { args: ['table', '--flows', '10000001'], says: /whole number/ },
      { args: ['table', '--runs', 'five'], says: /--runs.*whole number from 1 to 100/ },
      { args: ['table', '--fast'], says: /unknown option '--fast'/ },
      { args: ['tabel'], says: /unknown command/ },
      { args: ['table', '5'], says: /too many arguments/ },
      { args: [], says: /Usage/ },
    ];
    for (const { args, says } of wrong) {
      const { status, stdout, stderr } = bench(...args);
      expect({ args, status, stdout }).toEqual({ args, status: 2, stdout: '' });
      expect(stderr).toMatch(says);
    }
    expect(bench('--help').status).toBe(0);
  });
});

describe('a contestant', () => {
  const node = (script: string) => ({ program: process.execPath, args: ['-e', script] });

  test('that fails is told with what it said', async () => {
    const crash = runProcess(node('console.error("out of luck"); process.exit(3)'), 30_000);
    await expect(crash).rejects.toThrow(/exit code 3\nout of luck/);
    await expect(runProcess(node('process.abort()'), 30_000)).rejects.toThrow(/SIGABRT/);
  });

  test('that takes too long is ended', async () => {
    const hang = runProcess(node('setInterval(() => {}, 1000)'), 200);
    await expect(hang).rejects.toThrow(/took more than 0.2 s/);
  });
});

describe('the Rust peer', () => {
  test('needs cargo and three crates', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'));
    try {
      mkdirSync(join(folder, 'cargo'));
      expect(missingForRust({ PATH: '' }, folder)).toBe('there is no cargo');
      const env = { PATH: folder };
      mkdirSync(join(folder, 'tokio-macros-1.7.0'));
      mkdirSync(join(folder, 'ahash-0.7.6'));
      expect(missingForRust(env, folder)).toBe(
        'not installed: librust-dashmap-dev librust-tokio-dev',
      );
      mkdirSync(join(folder, 'tokio-1.24.2'));
      mkdirSync(join(folder, 'dashmap-5.4.0'));
      expect(missingForRust(env, folder)).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
