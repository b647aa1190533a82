import { expect, test } from 'vitest';
import { check } from '../testing/repository.ts';
import { columns, FILE_LINES_MAX, FUNCTION_LINES_MAX, fileLines, functionLines } from './size.ts';

const PATH = 'packages/a/src/a.ts';

test('a file that is too long', () => {
  expect(check(fileLines, { [PATH]: 'x;\n'.repeat(FILE_LINES_MAX) })).toEqual([]);
  expect(check(fileLines, { 'a.lua': '-- x\n'.repeat(FILE_LINES_MAX + 1) })).toEqual([
    'a.lua:451: 451 lines',
  ]);
  expect(check(fileLines, { 'a.md': 'x\n'.repeat(FILE_LINES_MAX + 1) })).toEqual([]);
});

test('a line that is too long, unless it holds a URL', () => {
  const long = `const a = '${'é'.repeat(90)}';`;
  expect(check(columns, { [PATH]: `\n${long}` })).toEqual([`${PATH}:2: 103 columns`]);
  expect(check(columns, { [PATH]: long.replace('éé', '') })).toEqual([`${PATH}:1: 101 columns`]);
  expect(check(columns, { [PATH]: long.replace('ééé', '') })).toEqual([]);
  expect(check(columns, { [PATH]: `// https://example.org/${'a'.repeat(100)}` })).toEqual([]);
});

const body = (lines: number) => '  x();\n'.repeat(lines - 2);

test.each([
  ['function f(): { a: 1 } {', '}'],
  ['const f = async (x: string): Promise<void> => {', '};'],
  ['class A { #m() {', '} }'],
  ["test('it', () => {", '});'],
])('a function that is too long: %s', (open, close) => {
  const source = (lines: number) => `\n${open}\n${body(lines)}${close}\n`;
  expect(check(functionLines, { [PATH]: source(FUNCTION_LINES_MAX) })).toEqual([]);
  expect(check(functionLines, { [PATH]: source(FUNCTION_LINES_MAX + 1) })).toEqual([
    `${PATH}:2: a function of 71 lines`,
  ]);
});

test('braces in strings, templates and comments do not count', () => {
  const inside = 'const a = "{"; const b = `{`; // {\n';
  expect(check(functionLines, { [PATH]: `function f() { ${inside} }\n` })).toEqual([]);
});

test('a function that only groups tests may be long, the tests may not', () => {
  const file = 'packages/a/src/a.test.ts';
  const test = (lines: number) => `test.each(x)('y', () => {\n${body(lines)}});\n`;
  const group = (inside: string) => `describe('x', () => {\n${inside}});\n`;
  expect(check(functionLines, { [file]: group(test(50) + test(50)) })).toEqual([]);
  expect(check(functionLines, { [file]: group(test(71)) })).toEqual([
    `${file}:2: a function of 71 lines`,
  ]);
});
