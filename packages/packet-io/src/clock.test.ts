import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { bootClock } from './clock.ts';
import { nativeSupported } from './native.ts';

test('the clock never goes back and moves in fractions of a millisecond', () => {
  const clock = bootClock();
  const startMs = clock();
  let lastMs = startMs;
  let fractions = 0;
  for (let k = 0; k < 200_000; k++) {
    const nowMs = clock();
    if (nowMs < lastMs) throw new Error(`back from ${lastMs} to ${nowMs}`);
    if (nowMs > lastMs && nowMs - lastMs < 1) fractions++;
    lastMs = nowMs;
  }
  expect(lastMs).toBeGreaterThan(startMs);
  expect(fractions).toBeGreaterThan(0);
});

test.skipIf(!nativeSupported())('it counts from the boot, as /proc/uptime (needs Linux)', () => {
  const clock = bootClock();
  const beforeMs = clock();
  const uptimeMs = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
  const afterMs = clock();
  // /proc/uptime has hundredths of a second.
  expect(uptimeMs).toBeGreaterThanOrEqual(beforeMs - 10);
  expect(uptimeMs).toBeLessThanOrEqual(afterMs + 10);
});
