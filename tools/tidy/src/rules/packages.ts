/** Who may know whom: the arrows between packages, as package.json, tsconfig.json and imports. */
import type { Finding, Rule } from '../finding.ts';
import type { ImportRef, SourceFile } from '../source.ts';

interface Arrows {
  /** Packages of the house that it may import. */
  readonly to: readonly string[];
  readonly reason: string;
}

const SCOPE = '@flowstore/';

/** flow <- flow-table, nat, flow-store <- gateway-core <- apps. What is missing may import all. */
export const ARROWS: Readonly<Record<string, Arrows>> = {
  flow: { to: [], reason: 'the words depend on nothing, so that all else can speak them' },
  'flow-table': { to: ['flow'], reason: 'the cache must not know the store that it caches' },
  nat: { to: ['flow'], reason: 'translation is arithmetic over packets' },
  'flow-store': { to: ['flow'], reason: 'the truth does not know who asks' },
  'gateway-core': {
    to: ['flow', 'flow-table', 'nat', 'flow-store'],
    reason: 'a gateway without I/O: devices and services are handed to it by the app',
  },
  'packet-io': { to: [], reason: 'devices carry bytes, and need not know what a flow is' },
  service: { to: ['flow'], reason: 'what apps share must fit every app' },
};

/** No I/O, no library: what runs on every packet, in the simulator and in a worker alike. */
const PURE = new Set(['flow', 'flow-table', 'nat', 'gateway-core']);

interface Exception {
  readonly path: string;
  readonly specifier: string;
  readonly names: readonly string[];
  readonly reason: string;
}

export const PURE_EXCEPTIONS: readonly Exception[] = [
  {
    path: 'packages/flow/src/address.ts',
    specifier: 'node:net',
    names: ['isIPv4', 'isIPv6'],
    reason: 'pure functions over text, and Node knows the grammar of addresses better than we',
  },
];

interface Manifest {
  readonly folder: string;
  readonly kind: string;
  readonly name: string;
  readonly file: SourceFile;
  readonly dependencies: readonly string[];
}

const FOLDER = /^(packages|apps|tools)\/([^/]+)\//;

function manifestsOf(files: readonly SourceFile[]): Manifest[] {
  return files.flatMap((file) => {
    const match = /^(packages|apps|tools)\/([^/]+)\/package\.json$/.exec(file.path);
    if (match === null) return [];
    const { dependencies = {} } = JSON.parse(file.text) as { dependencies?: object };
    const [, kind = '', name = ''] = match;
    const folder = `${kind}/${name}`;
    return [{ folder, kind, name, file, dependencies: Object.keys(dependencies) }];
  });
}

/** "@flowstore/flow-store/testing" is "flow-store"; null where it is none of the house. */
function housePackage(specifier: string): string | null {
  return specifier.startsWith(SCOPE) ? (specifier.slice(SCOPE.length).split('/')[0] ?? null) : null;
}

/** Why `from` may not import `to`; null if it may. */
function forbidden(kind: string, from: string, to: string, kinds: Map<string, string>) {
  const target = kinds.get(to);
  if (target === undefined) return `${SCOPE}${to} does not exist`;
  if (kind !== 'tools' && target !== 'packages') return `${target} are nobody's library`;
  const arrows = kind === 'packages' ? ARROWS[from] : undefined;
  return arrows === undefined || arrows.to.includes(to) ? null : arrows.reason;
}

export const arrows: Rule = {
  name: 'dependencies point one way',
  reason: 'flow <- flow-table, nat, flow-store <- gateway-core <- apps (table ARROWS)',
  check(files) {
    const manifests = manifestsOf(files);
    const kinds = new Map(manifests.map(({ name, kind }) => [name, kind]));
    const findings: Finding[] = [];
    for (const { kind, name, file, dependencies } of manifests) {
      for (const dependency of dependencies) {
        const to = housePackage(dependency);
        const why = to === null ? null : forbidden(kind, name, to, kinds);
        if (why === null) continue;
        const line = file.lines.findIndex((text) => text.includes(`"${dependency}"`)) + 1;
        findings.push({ path: file.path, line, what: `${name} -> ${to}: ${why}` });
      }
    }
    for (const [file, { specifier, line }] of importsOf(files)) {
      const [, kind = '', name = ''] = FOLDER.exec(file.path) ?? [];
      const to = housePackage(specifier);
      if (kind === '' || to === null || to === name) continue;
      const why = forbidden(kind, name, to, kinds);
      if (why !== null) {
        findings.push({ path: file.path, line, what: `${name} -> ${to}: ${why}` });
      }
    }
    return findings;
  },
};

export const purity: Rule = {
  name: 'nothing up to gateway-core knows Redis, sockets, files or processes',
  reason: 'flow, flow-table, nat and gateway-core run alike in gateway, worker and simulator',
  check: (files) =>
    importsOf(files).flatMap(([file, ref]) => {
      const [, , name = ''] = /^(packages)\/([^/]+)\//.exec(file.path) ?? [];
      if (!PURE.has(name) || file.isTest || isPureImport(file, ref)) return [];
      return [{ path: file.path, line: ref.line, what: `imports ${ref.specifier}` }];
    }),
};

function isPureImport({ path }: SourceFile, { specifier, names, typeOnly }: ImportRef): boolean {
  if (specifier.startsWith('.')) return true;
  // The store's index brings ioredis along: only its types, which are erased, come without.
  if (specifier === `${SCOPE}flow-store`) return typeOnly;
  if (housePackage(specifier) !== null) return true;
  return PURE_EXCEPTIONS.some(
    (exception) =>
      exception.path === path &&
      exception.specifier === specifier &&
      names.every((name) => exception.names.includes(name)),
  );
}

export const declared: Rule = {
  name: 'package.json says what is imported, no more and no less',
  reason: 'a package works on its own, and nobody installs what nobody uses',
  check: (files) =>
    manifestsOf(files).flatMap(({ folder, file, dependencies }) => {
      const inside = importsOf(files).filter(([{ path }]) => path.startsWith(`${folder}/`));
      const used = new Set(inside.map(([, { specifier }]) => packageOf(specifier)));
      const unused = dependencies.filter((dependency) => !used.has(dependency));
      const line = (name: string) => file.lines.findIndex((text) => text.includes(`"${name}"`)) + 1;
      const findings: Finding[] = unused.map((name) => ({
        path: file.path,
        line: line(name),
        what: `${name} is declared and never imported`,
      }));
      for (const [importer, ref] of inside) {
        const name = packageOf(ref.specifier);
        const external = name !== '' && !importer.isTest && !dependencies.includes(name);
        if (!external || DEVELOPMENT.has(name)) continue;
        const what = `${name} is imported and not declared`;
        findings.push({ path: importer.path, line: ref.line, what });
      }
      return findings;
    }),
};

/** Of the root's package.json: tools of the whole house. */
const DEVELOPMENT = new Set(['vite', 'vitest', 'fast-check']);

/** "@a/b" of "@a/b/c", "a" of "a/b"; "" for Node's own modules and relative ones. */
function packageOf(specifier: string): string {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return '';
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

export const references: Rule = {
  name: 'tsconfig.json refers to the packages of package.json',
  reason: 'tsc -b builds in the order of references, Nx in that of dependencies',
  check(files) {
    const manifests = manifestsOf(files);
    const folders = new Map(manifests.map(({ name, folder }) => [name, folder]));
    return manifests.flatMap(({ folder, dependencies }) => {
      const file = files.find(({ path }) => path === `${folder}/tsconfig.json`);
      if (file === undefined) return [{ path: folder, line: 1, what: 'has no tsconfig.json' }];
      const house = dependencies.map(housePackage).filter((name) => name !== null);
      const wanted = house.map((name) => folders.get(name) ?? name).sort();
      const { references = [] } = JSON.parse(file.text) as { references?: { path: string }[] };
      const given = references.map(({ path }) => normalise(`${folder}/${path}`)).sort();
      if (String(given) === String(wanted)) return [];
      return [{ path: file.path, line: 1, what: `refers to [${given}], not to [${wanted}]` }];
    });
  },
};

export const readmes: Rule = {
  name: 'every package opens with a README.md',
  reason: 'what it is, what it promises and when not to use it, before any code',
  check: (files) =>
    manifestsOf(files).flatMap(({ folder }) => {
      const readme = files.find(({ path }) => path === `${folder}/README.md`);
      if (readme === undefined) return [{ path: folder, line: 1, what: 'has no README.md' }];
      if (/^# \S/.test(readme.text)) return [];
      return [{ path: readme.path, line: 1, what: 'does not begin with a heading' }];
    }),
};

function importsOf(files: readonly SourceFile[]): [SourceFile, ImportRef][] {
  return files
    .filter((file) => file.isScript)
    .flatMap((file) => file.imports.map((ref): [SourceFile, ImportRef] => [file, ref]));
}

/** "a/b" of "a/c/../b". */
export function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
}
