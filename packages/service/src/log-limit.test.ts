import { expect, test } from 'vitest';
import { LogLimit } from './log-limit.ts';
import { createLogger } from './logger.ts';

test('a message comes once per interval and says how many were left out', () => {
  const lines: { msg: string; suppressed?: number }[] = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) };
  let nowMs = 0;
  const log = createLogger({ name: 'test', level: 'info', stream });
  const limit = new LogLimit({ log, everyMs: 1_000, nowMs: () => nowMs });
  for (nowMs = 0; nowMs < 2_500; nowMs += 100) limit.warn({ shard: 1 }, 'no answer');
  limit.warn({}, 'another message');
  expect(lines.map(({ msg, suppressed }) => [msg, suppressed])).toEqual([
    ['no answer', undefined],
    ['no answer', 9],
    ['no answer', 9],
    ['another message', undefined],
  ]);
});
