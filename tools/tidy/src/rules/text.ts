/** What must not stand in any file. */
import { dirname } from 'node:path';
import type { Finding, Rule } from '../finding.ts';
import { type SourceFile, type SyntaxNode, walk } from '../source.ts';

// Patterns are put together from parts so that this file does not match itself.
const dots = (...labels: string[]) => labels.join('\\.');
const HOSTS = [
  dots('registry', '(npmjs|yarnpkg|npmmirror)', '(org|com)'),
  dots('npm', 'pkg', 'github', 'com'),
  dots('(deb|security|snapshot|ftp|httpredir)', '([a-z]+\\.)?debian', 'org'),
  dots('archive', 'ubuntu', 'com'),
];
/** Folders that every Linux has: to name them tells nothing of a machine. */
const SYSTEM_FOLDERS = ['/', '/tmp', '/run', '/var', '/opt', '/srv', '/usr/src'];
/** Where people's checkouts lie, and where this one does. */
const here = dirname(process.cwd());
const FOLDERS = ['/home/[a-z]', '/Users/[A-Za-z]']
  .concat(SYSTEM_FOLDERS.includes(here) ? [] : `${here}/`.replaceAll('.', '\\.'))
  .map((path) => `(?<![\\w.*}~-])${path}`);

/** A finding for each line of `files` where the pattern occurs. */
function grep(files: readonly SourceFile[], pattern: RegExp, what: string): Finding[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((text, i) => {
      const match = pattern.exec(text);
      return match === null ? [] : [{ path, line: i + 1, what: `${what} "${match[0]}"` }];
    }),
  );
}

export const hosts: Rule = {
  name: 'no registry hosts or mirrors in files',
  reason: 'where packages come from is set on the machine, and differs from machine to machine',
  check: (files) => grep(files, new RegExp(HOSTS.join('|')), 'host'),
};

export const machinePaths: Rule = {
  name: 'no absolute paths of one machine in files',
  reason: 'a clone works wherever it lies',
  // This file and its test hold the patterns themselves.
  check: (files) =>
    grep(
      files.filter(({ path }) => !path.startsWith('tools/tidy/src/rules/text')),
      new RegExp(FOLDERS.join('|')),
      'path',
    ),
};

const MARKS = ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'];
const LOCKFILE = 'package-lock.json';

export const marks: Rule = {
  name: 'no marks of unfinished work',
  reason: 'what is not done is an issue, where it is seen; what is done needs no mark',
  check: (files) =>
    grep(
      files.filter(({ path }) => path !== LOCKFILE),
      new RegExp(`\\b(${MARKS.join('|')})\\b`),
      'mark',
    ),
};

const TEST_CALLS = new Set(['test', 'it', 'describe', 'suite', 'bench']);
const LEFT_OUT = new Set(['skip', 'only', 'todo', 'fails']);

export const leftOutTests: Rule = {
  name: 'no test is left out by hand',
  reason: 'a skipped test rots; what the machine can not do is test.skipIf with its reason',
  check: (files) => files.filter(isTestFile).flatMap((file) => membersOf(file, LEFT_OUT)),
};

function membersOf(file: SourceFile, names: ReadonlySet<string>): Finding[] {
  const findings: Finding[] = [];
  walk(file.program, (node) => {
    if (node.type !== 'MemberExpression') return;
    const property = (node.property as SyntaxNode).name as string;
    let object = node.object as SyntaxNode;
    while (object.type === 'MemberExpression') object = object.object as SyntaxNode;
    if (!TEST_CALLS.has(object.name as string) || !names.has(property)) return;
    const line = file.lineOf(node.start);
    findings.push({ path: file.path, line, what: `${String(object.name)}.${property}` });
  });
  return findings;
}

const SLEEPS = new Set(['setTimeout', 'sleep', 'delay']);

export const fixedSleeps: Rule = {
  name: 'no test sleeps for a fixed time',
  reason:
    'a sleep is too short on a slow machine and too long on all others: wait for the condition',
  check: (files) => files.filter(isTestFile).flatMap(sleepsOf),
};

function sleepsOf(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  walk(file.program, (node) => {
    if (node.type !== 'CallExpression') return;
    const name = (node.callee as SyntaxNode).name as string;
    if (!SLEEPS.has(name)) return;
    findings.push({ path: file.path, line: file.lineOf(node.start), what: `${name}(...)` });
  });
  return findings;
}

function isTestFile({ path }: SourceFile): boolean {
  return path.endsWith('.test.ts');
}
