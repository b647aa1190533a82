import { expect, test } from 'vitest';
import { createLogger } from './logger.ts';

test('lines are JSON with name, level as a word, and an ISO time', () => {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const log = createLogger({ name: 'gateway', level: 'info', stream });
  log.debug('below the level');
  log.info({ shard: 3 }, 'hello');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({
      name: 'gateway',
      level: 'info',
      shard: 3,
      msg: 'hello',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    }),
  ]);
});
