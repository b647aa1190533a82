import { expect, it } from 'vitest';
import { COMMAND_NAMES } from './commands.ts';
import { linkScript } from './script-linker.ts';
import { loadScript } from './script-loader.ts';

const FIRST = 'local META = KEYS[1]\n\nlocal function used() return META end\n';

it('gives what stands first a scope around the rest', () => {
  expect(linkScript('#!lua', [FIRST, 'local A = 1'], 'return used()\n')).toBe(
    `#!lua\n${FIRST}\nreturn (function()\nlocal A = 1\nreturn used()\nend)()`,
  );
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
