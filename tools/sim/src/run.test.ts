import { expect, test } from 'vitest';
import { FAILED_SEEDS } from './failed-seeds.ts';
import { drawPlan } from './plan.ts';
import { runPlan } from './run.ts';

test('the same seed twice gives the same log, byte for byte', async () => {
  const logs: string[][] = [[], []];
  const hashes: string[] = [];
  for (const lines of logs) {
    const outcome = await runPlan(drawPlan(12), { write: (line) => lines.push(line) });
    hashes.push(outcome.hash);
  }
  expect(logs[0]!.length).toBeGreaterThan(1_000);
  expect(logs[0]).toEqual(logs[1]);
  expect(hashes[0]).toBe(hashes[1]);
});

test.each(FAILED_SEEDS)('seed $seed: $found', async ({ seed }) => {
  expect((await runPlan(drawPlan(seed))).failure).toBeNull();
});
