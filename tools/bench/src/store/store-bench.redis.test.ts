/** The program as it is run. What it measures is not asserted, but that it measures. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { STORE_FLOWS_MIN } from './store-bench.ts';

const PROGRAM = join(import.meta.dirname, '../main.ts');

function bench(...args: string[]) {
  return spawnSync(process.execPath, [PROGRAM, 'store', ...args], {
    encoding: 'utf8',
    timeout: 110_000,
  });
}

test('ends with one line of JSON that holds every figure', { timeout: 120_000 }, () => {
  const { status, stdout, stderr } = bench('--flows', String(STORE_FLOWS_MIN), '--json');
  expect(stderr).toMatch(/bench: tcp: open: round 1 of 64/);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^(met |MISS) {2}open: [\d.]+x a pair of SETs, of 2x$/m);
  const { store, floor, details } = JSON.parse(stdout.trimEnd().split('\n').at(-1) as string);
  for (const name of [
    'openServerUs',
    'findInsideServerUs',
    'findOutsideServerUs',
    'touchServerUs',
    'closeServerUs',
    'sweepFlowsPerS',
    'bytesPerFlow',
    'findP99Us',
  ]) {
    expect([name, store[name] > 0]).toEqual([name, true]);
  }
  expect(store.feed).toMatchObject({ readers: 16, missed: 0, disordered: 0 });
  expect(store.feed.eventsPerS).toBeGreaterThan(0);
  expect(store.feedAlone).toMatchObject({ readers: 16, missed: 0, disordered: 0 });
  expect(floor.setPairServerUs).toBeGreaterThan(0);
  expect(floor.getServerUs).toBeGreaterThan(0);
  expect(details.udp.open.map(({ batch }: { batch: number }) => batch)).toEqual([1, 16, 64]);
});

test('refuses a size that it cannot measure, with exit code 2', () => {
  for (const flows of ['2047', '1032193', 'many']) {
    const { status, stderr } = bench('--flows', flows);
    expect({ flows, status }).toEqual({ flows, status: 2 });
    expect(stderr).toMatch(/whole number from 2048 to 1032192/);
  }
});
