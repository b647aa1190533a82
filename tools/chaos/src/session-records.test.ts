import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sessionRecords } from './session-records.ts';

const line = (second: number, inside: string, gateway: string) =>
  JSON.stringify({ at: `2026-11-27T00:00:${10 + second}.000Z`, inside, gateway });

test('what all gateways logged of an endpoint is told in order, but for lines cut off', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flowstore-records-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [first, second, third] = [line(1, 'a', 'gw2'), line(2, 'a', 'gw1'), line(3, 'a', 'gw2')];
  writeFileSync(join(folder, 'gw1.jsonl'), `${second}\n${line(2, 'b', 'gw1')}\n`);
  writeFileSync(join(folder, 'gw2.jsonl.1'), `${first}\n${third.slice(0, 20)}\n`);
  writeFileSync(join(folder, 'gw2.jsonl'), `${third}\n`);
  const recordsOf = sessionRecords(folder);
  expect(recordsOf('a')).toEqual([first, second, third]);
  expect(recordsOf('c')).toEqual([]);
});
