import { expect, test } from 'vitest';
import { runDrainBench } from './drain-bench.ts';
import { drainJson, drainReportLines } from './drain-report.ts';

test('every flow is drained by a reaper, and its figures stand beside the naive loop', async () => {
  const result = await runDrainBench(2_048, () => {});
  expect(result.flows).toBe(60 * 32);
  const json = drainJson(result) as {
    drain: { flowsPerS: number; serverUs: number; holdP99Ms: number };
    naive: { flowsPerS: number };
    floor: { delServerUs: number };
  };
  const figures = [
    json.drain.flowsPerS,
    json.drain.serverUs,
    json.drain.holdP99Ms,
    json.naive.flowsPerS,
    json.floor.delServerUs,
  ];
  for (const figure of figures) expect(figure).toBeGreaterThan(0);
  expect(drainReportLines(result).join('\n')).toContain('times the naive loop');
}, 60_000);
