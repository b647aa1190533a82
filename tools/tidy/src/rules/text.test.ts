import { expect, test } from 'vitest';
import { check } from '../testing/repository.ts';
import { fixedSleeps, hosts, leftOutTests, machinePaths, marks } from './text.ts';

test.each([
  ['registry', 'npmjs', 'org'],
  ['deb', 'debian', 'org'],
  ['ftp', 'de', 'debian', 'org'],
  ['security', 'debian', 'org'],
])('a host of a registry or mirror: %s.%s.%s', (...labels) => {
  const host = labels.join('.');
  expect(check(hosts, { 'a.sh': `\nget ${host}/x` })).toEqual([`a.sh:2: host "${host}"`]);
  expect(check(hosts, { 'a.md': 'see https://example.org/debian' })).toEqual([]);
});

test('a path of one machine', () => {
  expect(check(machinePaths, { 'a.json': '{"x": "/Users/Me"}' })).toEqual([
    'a.json:1: path "/Users/M"',
  ]);
  expect(check(machinePaths, { 'a.sh': 'cd /home/me' })).toEqual(['a.sh:1: path "/home/m"']);
  expect(check(machinePaths, { 'a.md': 'packages/home/x, ~/home/x, /proc/self' })).toEqual([]);
});

test('a mark of unfinished work', () => {
  const mark = ['TO', 'DO'].join('');
  expect(check(marks, { 'a.lua': `-- ${mark} later` })).toEqual([`a.lua:1: mark "${mark}"`]);
  expect(check(marks, { 'a.md': `a ${mark.toLowerCase()} list, ${mark}S` })).toEqual([]);
});

test.each(['test.skip', 'it.only', 'describe.todo', 'test.concurrent.only'])('%s', (call) => {
  const [head, last] = [call.split('.')[0], call.split('.').at(-1)];
  const file = 'a.test.ts';
  expect(check(leftOutTests, { [file]: `${call}('x', f);` })).toEqual([
    `${file}:1: ${head}.${last}`,
  ]);
});

test('a test that the machine can not run says so itself', () => {
  const source = "test.skipIf(noRoot)('x', f); only('x'); list.skip(1);";
  expect(check(leftOutTests, { 'a.test.ts': source })).toEqual([]);
});

test.each(['await sleep(5);', 'await new Promise((r) => setTimeout(r, 5));', 'await delay(1);'])(
  'a sleep in a test: %s',
  (source) => {
    expect(check(fixedSleeps, { 'a.test.ts': `\n${source}` })).toHaveLength(1);
    expect(check(fixedSleeps, { 'a.ts': source })).toEqual([]);
  },
);

test('waiting for a condition is no sleep', () => {
  expect(check(fixedSleeps, { 'a.test.ts': 'await vi.waitFor(f, { timeout: 1_000 });' })).toEqual(
    [],
  );
});
