import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SESSION_BUFFER_BYTES_MAX, SessionFile } from './session-file.ts';

let folder: string;
let errors: Error[];
let nowMs = 0;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flowstore-sessions-'));
  errors = [];
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function open(path: string): SessionFile {
  const onError = (error: Error) => errors.push(error);
  return new SessionFile({ path, fileBytesMax: 4_096, filesMax: 3, onError, nowMs: () => nowMs });
}

test('lines go on in the next file when one is large, and the oldest file goes', async () => {
  const file = open(join(folder, 'sessions.jsonl'));
  for (let i = 0; i < 200; i++) {
    expect(file.write(`{"n":${i},"pad":"${'x'.repeat(90)}"}\n`)).toBe(true);
    // A file is put aside between two writes, never within one.
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await file.close();
  const files = readdirSync(folder).filter((name) => name.startsWith('sessions.jsonl'));
  expect(files.length).toBeGreaterThan(1);
  expect(files.length).toBeLessThanOrEqual(4);
  const newest = readFileSync(join(folder, 'sessions.jsonl'), 'utf8');
  const second = readFileSync(join(folder, 'sessions.jsonl.1'), 'utf8');
  expect((second + newest).trimEnd().split('\n').at(-1)).toContain('"n":199');
  expect(errors).toEqual([]);
});

test('goes on behind what an earlier process wrote', async () => {
  const path = join(folder, 'sessions.jsonl');
  writeFileSync(path, 'before\n');
  const file = open(path);
  file.write('after\n');
  await file.close();
  expect(readFileSync(path, 'utf8')).toBe('before\nafter\n');
});

test.runIf(existsSync('/dev/full'))('a bad path stops nobody: lines are refused', async () => {
  const file = open('/dev/full');
  file.write('lost\n');
  await vi.waitFor(() => expect(errors).toHaveLength(1), 5_000);
  expect(file.write('refused\n')).toBe(false);
  // A second later it is tried anew.
  nowMs += 1_000;
  expect(file.write('lost\n')).toBe(true);
  await vi.waitFor(() => expect(errors).toHaveLength(2), 5_000);
  await file.close();
});

/** A file system of 64 KiB; false where none may be mounted. */
function mountSmall(): boolean {
  const args = ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder];
  return process.getuid?.() === 0 && spawnSync('mount', args).status === 0;
}

test('a full disk stops nobody: lines are refused until there is room', async (context) => {
  if (!mountSmall()) return context.skip('nothing may be mounted here');
  try {
    const path = join(folder, 'sessions.jsonl');
    const onError = (error: Error) => errors.push(error);
    const limits = { fileBytesMax: 1_000_000, filesMax: 3 };
    const file = new SessionFile({ path, ...limits, onError, nowMs: () => nowMs });
    // What is written in part is no error yet; the next write is.
    await vi.waitFor(() => {
      file.write(`${'x'.repeat(50_000)}\n`);
      expect(errors).toHaveLength(1);
    }, 5_000);
    expect(errors[0]!.message).toContain('ENOSPC');
    expect(file.write('refused\n')).toBe(false);
    truncateSync(path);
    nowMs += 1_000;
    expect(file.write('kept\n')).toBe(true);
    await file.close();
    expect(readFileSync(path, 'utf8')).toBe('kept\n');
  } finally {
    spawnSync('umount', ['-l', folder]);
  }
});

test('lines beyond what may wait are refused', async () => {
  const file = open(join(folder, 'sessions.jsonl'));
  const half = 'x'.repeat(SESSION_BUFFER_BYTES_MAX / 2);
  expect(file.write(half)).toBe(true);
  expect(file.write(`${half}x`)).toBe(false);
  await file.close();
});
