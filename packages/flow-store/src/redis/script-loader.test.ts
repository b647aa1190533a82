import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COMMAND_NAMES, COMMANDS } from './commands.ts';
import { loadScript, parseScript } from './script-loader.ts';

const LUA = new URL('./lua/', import.meta.url);

function parse(lines: string[]) {
  return parseScript('probe.lua', lines.join('\n'), (part) => `-- part ${part}`);
}

const HEADER = [
  '#!lua flags=no-writes',
  '--- @command probe',
  '--- @purpose Tries',
  '---   the loader.',
  '--- @key s:{tag} the shard',
  '--- @arg policy of all',
  '--- @args request of each',
  '--- @result good 0',
  '--- @result bad 1 why',
  '--- @cost none',
  '--- @include a',
  '--- @include b',
  '--- @include a',
];

describe('the script loader', () => {
  it('reads the header and puts each part in once, in order', () => {
    const script = parse([...HEADER, '', 'return 1']);
    expect(script).toEqual({
      command: 'probe',
      purpose: 'Tries the loader.',
      cost: 'none',
      flags: ['no-writes'],
      keys: ['s:{tag}'],
      args: ['policy', 'request'],
      results: [
        { name: 'good', code: 0 },
        { name: 'bad', code: 1 },
      ],
      lua: '#!lua flags=no-writes\n-- part a\nreturn (function()\n-- part b\n\nreturn 1\nend)()',
    });
  });

  it.each([
    ['no shebang', HEADER.slice(1), 'the first line is not a #!lua line'],
    ['no purpose', HEADER.filter((line) => !/purpose|loader/.test(line)), '@purpose'],
    ['another name', [...HEADER.slice(0, 1), '--- @command other'], 'it calls itself other'],
    ['a result without a code', [...HEADER, '--- @result ugly'], '"@result ugly" has no code'],
    ['a stray line', [...HEADER, '--- what is this'], 'is no header line'],
  ])('refuses a script with %s, naming the file', (_, lines, message) => {
    const text = [...lines, '', 'return 1'];
    expect(() => parse(text)).toThrow('probe.lua: ');
    expect(() => parse(text)).toThrow(message);
  });
});

describe('the scripts', () => {
  it('are the registered commands, one file each', () => {
    const files = readdirSync(LUA).filter((name) => name.endsWith('.lua'));
    expect(files.sort()).toEqual(COMMAND_NAMES.map((name) => `${name}.lua`).sort());
  });

  it('have no part that no script includes', () => {
    const all = COMMAND_NAMES.map((name) =>
      readFileSync(new URL(`${name}.lua`, LUA), 'utf8'),
    ).join();
    for (const file of readdirSync(new URL('parts/', LUA))) {
      expect(all).toContain(`--- @include ${file.replace('.lua', '')}`);
    }
  });

  it.each(COMMAND_NAMES)('%s: header, signature and code agree', (name) => {
    const script = loadScript(name);
    const { results, readOnly } = COMMANDS[name];
    expect(script.results.map((result) => result.name)).toEqual(results);
    expect(script.results.map(({ code }) => code)).toEqual(results.map((_, code) => code));
    expect(script.flags.includes('no-writes')).toBe(readOnly);
    expect(script.keys).toEqual(['s:{tag}']);
    expect(script.args).toEqual(['policy', 'request']);
    const text = readFileSync(new URL(`${name}.lua`, LUA), 'utf8');
    expect(codesInBody(text)).toEqual(
      Object.fromEntries(results.map((kind, code) => [constantName(kind), code])),
    );
  });

  it.each(COMMAND_NAMES)('%s: builds keys from the tag of its own key alone', (name) => {
    const { lua } = loadScript(name);
    const literals = [...lua.matchAll(/'([a-z]):' \.\. (\w+)/g)].map(([, , tag]) => tag);
    expect(new Set(literals)).toEqual(new Set(['TAG']));
    expect([...lua.matchAll(/KEYS\[/g)]).toHaveLength(1 + count(lua, '-- KEYS['));
  });
});

/** The constants at the head of the body: `local CREATED, EXISTS = '\0', '\1'`. */
function codesInBody(lua: string): Record<string, number> {
  const match = /^local ([A-Z_, ]+) =\s+('\\\d+'(?:, '\\\d+')*)$/m.exec(lua);
  if (match === null) return {};
  const names = match[1]!.split(', ');
  const codes = [...match[2]!.matchAll(/\\(\d+)/g)].map(([, digits]) => Number(digits));
  return Object.fromEntries(names.map((name, i) => [name, codes[i]!]));
}

function constantName(kind: string): string {
  return kind.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}
