/** Every source is reached from somewhere that is run. */
import type { Rule } from '../finding.ts';
import { type SourceFile, walk } from '../source.ts';
import { normalise } from './packages.ts';

/** Where running begins, beside what package.json exports. */
export const ENTRIES: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /\/src\/main\.ts$/, reason: 'the program of an app or tool' },
  { pattern: /\.(test|bench)\.ts$/, reason: 'vitest runs it' },
  { pattern: /^[^/]+\.(ts|mjs)$|^tools\/[^/]+\/[^/]+\.mjs$/, reason: 'npm, Nx or vitest runs it' },
  {
    pattern: /^tools\/lab\/src\/traffic\/(server|download|trickle|ping|udp-echo)\.ts$/,
    reason: 'programs that the lab starts in a namespace, by name (TrafficProgram)',
  },
  {
    pattern: /^tools\/lab\/src\/traffic\/(stun-server|nat-behaviour)\.ts$/,
    reason: 'programs that the lab starts in a namespace, by name (TrafficProgram)',
  },
  {
    pattern: /^tools\/chaos\/src\/(traffic\/(client|server)|programs\/[^/]+)\.ts$/,
    reason: 'programs that a chaos run starts in a namespace',
  },
  { pattern: /^tools\/compose\/src\/router\.ts$/, reason: 'docker-compose.yml runs it' },
];

export const deadFiles: Rule = {
  name: 'no dead files',
  reason: 'a source that nothing reaches misleads the reader and is tested by nobody',
  check(files) {
    const sources = new Map(
      files.filter(({ isScript }) => isScript).map((file) => [file.path, file]),
    );
    const paths = [...sources.keys()];
    const reached = new Set<string>();
    const queue = paths.filter(isEntry).concat(exportsOf(files));
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      const file = sources.get(path);
      if (file === undefined || reached.has(path)) continue;
      reached.add(path);
      queue.push(...neighbours(file, paths));
    }
    return paths
      .filter((path) => !reached.has(path))
      .map((path) => ({ path, line: 1, what: 'nothing reaches it' }));
  },
};

function isEntry(path: string): boolean {
  return ENTRIES.some(({ pattern }) => pattern.test(path));
}

function exportsOf(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => path.endsWith('/package.json'))
    .flatMap(({ path, text }) => {
      const { exports = {}, bin = {} } = JSON.parse(text) as Record<string, object>;
      const folder = path.slice(0, -'package.json'.length);
      return [...Object.values(exports), ...Object.values(bin)].map((target) =>
        normalise(folder + String(target)),
      );
    });
}

/**
 * What a file imports, and what it names in a string: workers, fixtures and programs are started
 * from paths such as new URL('./testing/fixture.ts', import.meta.url), or by a bare file name,
 * which then stands for the file of that name in the same package.
 */
function neighbours(file: SourceFile, all: readonly string[]): string[] {
  const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1);
  const project = file.path.split('/').slice(0, 2).join('/');
  const paths: string[] = [];
  walk(file.program, ({ type, value }) => {
    if (type !== 'Literal' || typeof value !== 'string' || !/\.(ts|mjs)$/.test(value)) return;
    if (value.startsWith('.')) paths.push(normalise(folder + value));
    else
      paths.push(...all.filter((path) => path.startsWith(project) && path.endsWith(`/${value}`)));
  });
  return paths;
}
