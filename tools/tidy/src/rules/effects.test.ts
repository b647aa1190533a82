import { expect, test } from 'vitest';
import { check } from '../testing/repository.ts';
import { ADAPTERS, effects } from './effects.ts';

const PATH = 'packages/a/src/a.ts';

test.each([
  ['const a = Date.now();', 'Date.now'],
  ['const a = { nowMs: Date.now };', 'Date.now'],
  ['const a = new Date();', 'new Date()'],
  ['const a = performance.now();', 'performance.now'],
  ['const a = Math.random();', 'Math.random'],
  ['setTimeout(f, 1);', 'setTimeout'],
  ['const a = { setInterval };', 'setInterval'],
  ["import { setTimeout as wait } from 'node:timers/promises';", 'node:timers/promises'],
])('%s', (source, what) => {
  const found = check(effects, { [PATH]: source });
  expect([...new Set(found)]).toEqual([`${PATH}:1: ${what}`]);
});

test('what is passed in, and what only has such a name, is fine', () => {
  const source = `
    // Date.now() in a comment, 'Math.random()' in a string
    clock.now(); timers.setTimeout(f, 1); new Date(0);
    class Timers { setTimeout() {} }
    interface Clock { setTimeout: () => void; }
  `;
  expect(check(effects, { [PATH]: source })).toEqual([]);
});

test('tests, apps and tools may; an adapter may what its table says', () => {
  const source = 'setTimeout(f, 1);';
  const [adapter] = Object.entries(ADAPTERS).find(([, { uses }]) => uses.includes('setTimeout'))!;
  const files = {
    'packages/a/src/a.test.ts': source,
    'packages/a/src/testing/a.ts': source,
    'apps/a/src/a.ts': source,
    [adapter]: `${source} Math.random();`,
  };
  expect(check(effects, files)).toEqual([`${adapter}:1: Math.random`]);
});
