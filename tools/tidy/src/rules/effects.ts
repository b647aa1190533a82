/** Clock and chance are constructor arguments; a few adapters bring in the real ones. */
import type { Finding, Rule } from '../finding.ts';
import { type SourceFile, type SyntaxNode, walk } from '../source.ts';

/** The real thing, by file: what it may use, and why it must be there. */
export const ADAPTERS: Readonly<Record<string, { uses: readonly string[]; reason: string }>> = {
  'packages/packet-io/src/clock.ts': {
    uses: ['performance.now'],
    reason: 'it is the clock of the gateways, where the machine has no better one',
  },
  'packages/flow-store/src/redis/timers.ts': {
    uses: ['setTimeout'],
    reason:
      'the store must time out whatever Redis does; all of it goes through this one interface',
  },
  'packages/service/src/lifecycle.ts': {
    uses: ['setTimeout'],
    reason: 'the deadline of a stop must hold when all else hangs',
  },
};

const BANNED_CALLS = new Set([
  'Date.now',
  'performance.now',
  'process.hrtime',
  'process.hrtime.bigint',
  'Math.random',
  'setTimeout',
  'setInterval',
  'setImmediate',
]);
const BANNED_MODULES = new Set(['node:timers', 'node:timers/promises']);

export const effects: Rule = {
  name: 'packages take clock, timers and randomness as arguments',
  reason: 'tests narrate time and the simulator replays a seed; the real ones live in ADAPTERS',
  check: (files) => files.filter(isPackageSource).flatMap(effectsOf),
};

function isPackageSource(file: SourceFile): boolean {
  return /^packages\/[^/]+\/src\/.*\.ts$/.test(file.path) && !file.isTest;
}

function effectsOf(file: SourceFile): Finding[] {
  const allowed = ADAPTERS[file.path]?.uses ?? [];
  const findings: Finding[] = [];
  const found = (line: number, what: string) => {
    if (!allowed.includes(what)) findings.push({ path: file.path, line, what });
  };
  for (const { specifier, line } of file.imports) {
    if (BANNED_MODULES.has(specifier)) found(line, specifier);
  }
  walk(file.program, (node, parent) => {
    if (node.type === 'NewExpression') {
      const bare = (node.arguments as unknown[]).length === 0;
      if (bare && dotted(node.callee) === 'Date') found(file.lineOf(node.start), 'new Date()');
    }
    // Not only calls: `nowMs = Date.now` brings in the clock just the same.
    const name = dotted(node);
    if (!BANNED_CALLS.has(name) || isNameOnly(node, parent)) return;
    found(file.lineOf(node.start), name);
  });
  return findings;
}

/** "a.b.c" for a chain of plain names, else "". */
function dotted(value: unknown): string {
  const node = value as SyntaxNode;
  if (node.type === 'Identifier') return node.name as string;
  if (node.type !== 'MemberExpression' || node.computed === true) return '';
  const object = dotted(node.object);
  return object === '' ? '' : `${object}.${dotted(node.property)}`;
}

/** A member or field that is merely called like a global: `clock.setTimeout`. */
function isNameOnly(node: SyntaxNode, parent: SyntaxNode | undefined): boolean {
  if (parent === undefined || node.type !== 'Identifier') return false;
  if (parent.type === 'MemberExpression') return parent.property === node;
  if (parent.type === 'ImportSpecifier') return true;
  const named = ['Property', 'PropertyDefinition', 'MethodDefinition', 'TSPropertySignature'];
  return named.includes(parent.type) && parent.key === node && parent.shorthand !== true;
}
