import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('./testing/allocation.ts', import.meta.url));
/** A million operations that allocated one number each would take 12 MB at the least. */
const BYTES_MAX = 256 * 1_024;

test('a million lookups, misses, touches or timer ticks allocate nothing', async () => {
  const flags = ['--expose-gc', '--max-semi-space-size=128', '--min-semi-space-size=128'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, PROGRAM]);
  const { bytes, timerSteps } = JSON.parse(stdout) as {
    bytes: Record<string, number>;
    timerSteps: number;
  };
  expect(Object.keys(bytes)).toEqual(['lookup', 'prefetch', 'miss', 'touch', 'tick']);
  for (const [name, allocated] of Object.entries(bytes)) {
    expect(allocated, name).toBeLessThan(BYTES_MAX);
  }
  // Ticks did look at timers and put them to sleep again.
  expect(timerSteps).toBeGreaterThan(1_000_000);
}, 60_000);
