// What README's "Run it for real" can promise without a machine: the test in containers runs it.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { section, shownFiles, steps } from './testing/handbook.ts';
import { placesOf } from './testing/places.ts';

const read = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
const text = section(read('README.md'), 'Run it for real');

test('the files that it shows are the files', () => {
  const shown = shownFiles(text);
  const names = ['deploy/routers/lan.frr.conf', 'deploy/routers/wan.bird.conf'];
  expect([...shown.keys()]).toEqual([...names, 'deploy/gateway.yaml']);
  for (const [file, content] of shown) expect(content).toBe(read(file));
});

test('every block of commands is for a machine that the test has', () => {
  expect(steps(text).length).toBeGreaterThan(10);
  for (const { places } of steps(text)) expect(placesOf(places)).not.toEqual([]);
  expect(() => placesOf(['the moon'])).toThrow(/the moon/);
});
