/** The files of the repository as the rules see them: text, lines, and on demand a syntax tree. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
// Vite brings a parser; TypeScript 7 has none to call.
// biome-ignore lint/correctness/noUndeclaredDependencies: it is the root's, as vitest is
import { parseSync } from 'vite';

export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

export interface ImportRef {
  /** As written: "./a.ts", "@flowstore/flow", "node:net". */
  readonly specifier: string;
  readonly line: number;
  /** The imported names; "*" for all of the module, none where it is imported for its effects. */
  readonly names: readonly string[];
  /** Erased before it runs. */
  readonly typeOnly: boolean;
}

export class SourceFile {
  /** From the repository's root, with "/". */
  readonly path: string;
  readonly text: string;
  #parsed: ReturnType<typeof parseSync> | undefined;
  #lineEnds: number[] | undefined;
  #imports: ImportRef[] | undefined;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
  }

  get lines(): string[] {
    return this.text.replace(/\n$/, '').split('\n');
  }

  /** TypeScript or JavaScript: has a syntax tree. */
  get isScript(): boolean {
    return /\.(ts|mjs)$/.test(this.path);
  }

  /** A test, or what only tests use. */
  get isTest(): boolean {
    return /\.(test|bench)\.ts$|\/testing\/|\/conformance\/|\/test-support\.ts$/.test(this.path);
  }

  get program(): SyntaxNode {
    return this.#parse().program as unknown as SyntaxNode;
  }

  lineOf(offset: number): number {
    if (this.#lineEnds === undefined) {
      this.#lineEnds = [...this.text.matchAll(/\n/g)].map(({ index }) => index);
    }
    const after = this.#lineEnds.findIndex((end) => end >= offset);
    return (after === -1 ? this.#lineEnds.length : after) + 1;
  }

  /** Imports, re-exports, and dynamic imports and requires of a literal. */
  get imports(): readonly ImportRef[] {
    this.#imports ??= [...this.#imported(), ...this.#required()];
    return this.#imports;
  }

  #imported(): ImportRef[] {
    const { staticImports, staticExports, dynamicImports } = this.#parse().module;
    const refs: ImportRef[] = staticImports.map(({ moduleRequest, start, entries }) => ({
      specifier: moduleRequest.value,
      line: this.lineOf(start),
      names: entries.map(({ importName }) => importName.name ?? '*'),
      typeOnly: entries.length > 0 && entries.every((entry) => entry.isType),
    }));
    for (const { start, entries } of staticExports) {
      const specifier = entries[0]?.moduleRequest?.value;
      if (specifier === undefined) continue;
      const names = entries.map(({ importName }) => importName.name ?? '*');
      const typeOnly = entries.every((entry) => entry.isType);
      refs.push({ specifier, line: this.lineOf(start), names, typeOnly });
    }
    for (const { start, moduleRequest } of dynamicImports) {
      const literal = /^(['"`])(.*)\1$/.exec(
        this.text.slice(moduleRequest.start, moduleRequest.end),
      );
      const specifier = literal?.[2];
      if (specifier === undefined) continue;
      refs.push({ specifier, line: this.lineOf(start), names: ['*'], typeOnly: false });
    }
    return refs;
  }

  /** `require('x')` and `createRequire(url)('x')`: modules that are loaded on first use. */
  #required(): ImportRef[] {
    const refs: ImportRef[] = [];
    walk(this.program, (node) => {
      if (node.type !== 'CallExpression') return;
      const callee = node.callee as SyntaxNode;
      const inner = callee.type === 'CallExpression' ? (callee.callee as SyntaxNode) : callee;
      const [specifier] = node.arguments as { value?: unknown }[];
      if (inner.name !== (inner === callee ? 'require' : 'createRequire')) return;
      if (typeof specifier?.value !== 'string') return;
      const line = this.lineOf(node.start);
      refs.push({ specifier: specifier.value, line, names: ['*'], typeOnly: false });
    });
    return refs;
  }

  #parse(): ReturnType<typeof parseSync> {
    this.#parsed ??= parseSync(this.path, this.text);
    return this.#parsed;
  }
}

/** Calls `visit` with every node below and including this one, parents first. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode, parent?: SyntaxNode) => void) {
  const step = (value: unknown, parent?: SyntaxNode) => {
    if (Array.isArray(value)) for (const item of value) step(item, parent);
    else if (isNode(value)) {
      visit(value, parent);
      for (const inner of Object.values(value)) step(inner, value);
    }
  };
  step(node);
}

function isNode(value: unknown): value is SyntaxNode {
  return value !== null && typeof value === 'object' && 'type' in value && 'start' in value;
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Tracked files and new ones that are not ignored; binary files left out. */
export function repositoryFiles(): SourceFile[] {
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return list
    .split('\0')
    .filter((path) => path !== '' && existsSync(ROOT + path))
    .map((path) => new SourceFile(path, readFileSync(ROOT + path, 'utf8')))
    .filter(({ text }) => !text.includes('\0'));
}
