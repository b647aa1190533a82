import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { SessionRecord } from './session-log.ts';
import { whoHad } from './who.ts';

const OUTSIDE = '203.0.113.5:40123';
const folder = mkdtempSync(join(tmpdir(), 'flowstore-who-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function line(time: string, more: Partial<SessionRecord>): string {
  return JSON.stringify({
    at: `2026-11-26T${time}Z`,
    event: 'begin',
    how: 'opened',
    protocol: 'udp',
    domain: 0,
    inside: '198.18.1.10:5000',
    outside: OUTSIDE,
    generation: 7,
    gateway: 'gw1',
    ...more,
  });
}

/** Of two gateways, one behind the other: they are not in the order of time. */
const LINES = [
  line('14:00:00', {}),
  line('14:10:00', { event: 'end' }),
  line('14:20:00', { inside: '198.18.1.11:6000', generation: 8 }),
  '{"cut short',
  line('14:02:00', { how: 'found', gateway: 'gw2' }),
  line('14:10:01', { event: 'end', gateway: 'gw2' }),
  line('14:01:00', { protocol: 'tcp', inside: '198.18.1.12:80', generation: 3 }),
  line('14:00:00', { outside: '203.0.113.6:40123', inside: '198.18.1.13:1' }),
];

async function had(time: string): Promise<string[]> {
  async function* lines() {
    yield* LINES;
  }
  const found = await whoHad(OUTSIDE, Date.parse(`2026-11-26T${time}Z`), lines());
  return found.map(({ protocol, inside }) => `${protocol} ${inside}`).sort();
}

test('who had 203.0.113.5:40123 at 14:05:12 has an answer, by protocol', async () => {
  expect(await had('14:05:12')).toEqual(['tcp 198.18.1.12:80', 'udp 198.18.1.10:5000']);
  expect(await had('14:25:00')).toEqual(['tcp 198.18.1.12:80', 'udp 198.18.1.11:6000']);
});

test('nobody had it before the first began, nor after one ended', async () => {
  expect(await had('13:59:00')).toEqual([]);
  expect(await had('14:15:00')).toEqual(['tcp 198.18.1.12:80']);
});

test('as a command it reads files, and says by its exit whether there was anybody', () => {
  const file = join(folder, 'sessions.jsonl');
  writeFileSync(file, `${LINES.join('\n')}\n`);
  const main = new URL('./who.ts', import.meta.url).pathname;
  const args = ['--at', '2026-11-26T14:05:12Z'];
  const text = execFileSync(process.execPath, [main, ...args, OUTSIDE, file], { encoding: 'utf8' });
  expect(text).toContain('udp 198.18.1.10:5000 (domain 0) since 2026-11-26T14:00:00Z');
  const ask = (...all: string[]) => spawnSync(process.execPath, [main, ...all]).status;
  expect(ask(...args, '203.0.113.9:1', file)).toBe(1);
  expect(ask('--at', 'yesterday', OUTSIDE, file)).toBe(2);
  expect(ask(...args, 'somebody', file)).toBe(2);
});
