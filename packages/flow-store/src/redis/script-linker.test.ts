import { expect, it } from 'vitest';
import { COMMAND_NAMES } from './commands.ts';
import { linkScript } from './script-linker.ts';
import { loadScript } from './script-loader.ts';

const FIRST = 'local META = KEYS[1]\n\nlocal function used() return META end\n';

it('gives what stands first a scope around the rest', () => {
  expect(linkScript('#!lua', [FIRST, 'local a = 1'], 'return used()\n')).toBe(
    `#!lua\n${FIRST}\nreturn (function()\nlocal a = 1\nreturn used()\nend)()`,
  );
});

it('puts literals in the places of the names that stand for them, and leaves strings alone', () => {
  const part = [
    "local MORE, GT = 8, '\\1'",
    "local PREFIX = 'p:' .. MORE",
    'local function more(n) return n * MORE end',
  ].join('\n');
  const lua = linkScript(
    '#!lua',
    [FIRST, part],
    "return used() .. PREFIX .. more(2) .. 'GT' .. GT",
  );
  expect(lua.split('\n').slice(-4)).toEqual([
    "local PREFIX = 'p:' .. 8",
    'local function more(n) return n * 8 end',
    "return used() .. PREFIX .. more(2) .. 'GT' .. '\\1'",
    'end)()',
  ]);
});

it('refuses a name that stands for two literals', () => {
  const link = () => linkScript('#!lua', [FIRST, 'local A = 1', 'local B, A = 2, 3'], 'return A');
  expect(link).toThrow('A stands for 1 and for 3');
});

it('leaves out functions that nobody names, and those that only they name', () => {
  const part = [
    'local function deep()',
    '  return 1',
    'end',
    '',
    '-- top is deep',
    'local function top() return deep() end',
    'local function kept(n)',
    '  if n == 0 then return 0 end',
    '  return kept(n - 1)',
    'end',
  ].join('\n');
  const lua = linkScript('#!lua', [FIRST, part], 'return kept(3), used()');
  expect(lua).not.toContain('function deep');
  expect(lua).not.toContain('function top');
  expect(lua).toContain('local function kept(n)\n  if n == 0 then return 0 end');
});

it.each(COMMAND_NAMES)('%s: each function that is sent is named somewhere', (name) => {
  const code = loadScript(name).lua.replace(/--.*$/gm, '');
  for (const [, made] of code.matchAll(/^local function (\w+)/gm)) {
    expect(code.match(new RegExp(`\\b${made}\\b`, 'g'))!.length, made).toBeGreaterThan(1);
  }
});
