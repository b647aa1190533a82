/**
 * Reads the .lua files: one command each, its header the contract, shared parts by @include.
 *
 * ```
 * #!lua flags=no-writes
 * --- @command find
 * --- @purpose what it is for,
 * ---   which may go on in lines that are indented further
 * --- @key s:{tag} what it is
 * --- @arg name what it is              one value
 * --- @args name what it is             the rest, one each
 * --- @result name code fields          one line per result
 * --- @cost calls
 * --- @include part                     parts/part.lua, at most once, in this order
 * ```
 */
import { readFileSync } from 'node:fs';
import { linkScript } from './script-linker.ts';

export interface ScriptResult {
  readonly name: string;
  /** The first byte of the reply. */
  readonly code: number;
}

export interface Script {
  readonly command: string;
  readonly purpose: string;
  readonly cost: string;
  readonly flags: readonly string[];
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly results: readonly ScriptResult[];
  /** What is sent: shebang, parts, body, as script-linker.ts puts them together. */
  readonly lua: string;
}

const LUA_DIRECTORY = new URL('./lua/', import.meta.url);
const SHEBANG = /^#!lua(?: flags=([a-z,-]+))?$/;
const TAG_LINE = /^--- @([a-z]+) (.+)$/;
const CONTINUATION = /^--- {3}(\S.*)$/;

/** Throws an Error naming the file where it is not there or its header is not well-formed. */
export function loadScript(command: string): Script {
  return parseScript(`${command}.lua`, read(`${command}.lua`), readPart);
}

export function readPart(part: string): string {
  return read(`parts/${part}.lua`);
}

function read(path: string): string {
  return readFileSync(new URL(path, LUA_DIRECTORY), 'utf8');
}

export function parseScript(
  file: string,
  text: string,
  readPart: (name: string) => string,
): Script {
  const fail = (what: string): never => {
    throw new Error(`${file}: ${what}`);
  };
  const lines = text.split('\n');
  const shebang = SHEBANG.exec(lines[0] ?? '') ?? fail('the first line is not a #!lua line');
  const bodyAt = lines.findIndex((line, i) => i > 0 && !line.startsWith('---'));
  const tags = headerTags(lines.slice(1, bodyAt), fail);
  const all = (name: string) => tags.filter((tag) => tag.name === name).map(({ text }) => text);
  const one = (name: string): string => {
    const values = all(name);
    if (values.length !== 1) fail(`@${name} must stand there once, not ${values.length} times`);
    return values[0]!;
  };
  const command = one('command');
  if (`${command}.lua` !== file) fail(`it calls itself ${command}`);
  const parts = [...new Set(all('include'))].map(readPart);
  return {
    command,
    purpose: one('purpose'),
    cost: one('cost'),
    flags: shebang[1]?.split(',') ?? [],
    keys: all('key').map(firstWord),
    args: [...all('arg'), ...all('args')].map(firstWord),
    results: all('result').map((result) => parseResult(result, fail)),
    lua: linkScript(lines[0]!, parts, lines.slice(bodyAt).join('\n')),
  };
}

function headerTags(
  header: string[],
  fail: (what: string) => never,
): { name: string; text: string }[] {
  const tags: { name: string; text: string }[] = [];
  for (const line of header) {
    const tag = TAG_LINE.exec(line);
    const more = CONTINUATION.exec(line);
    const last = tags.at(-1);
    if (tag !== null) tags.push({ name: tag[1]!, text: tag[2]! });
    else if (more !== null && last !== undefined) last.text += ` ${more[1]}`;
    else fail(`"${line}" is no header line`);
  }
  return tags;
}

function parseResult(text: string, fail: (what: string) => never): ScriptResult {
  const match = /^([a-zA-Z]+) (\d+)(?: |$)/.exec(text) ?? fail(`"@result ${text}" has no code`);
  return { name: match[1]!, code: Number(match[2]) };
}

function firstWord(text: string): string {
  return text.split(' ')[0]!;
}
