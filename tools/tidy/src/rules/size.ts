/** Nothing longer than what one can hold in mind. */
import type { Finding, Rule } from '../finding.ts';
import { type SourceFile, type SyntaxNode, walk } from '../source.ts';

export const FUNCTION_LINES_MAX = 70;
/** About 400 is the aim; the rest is for a file that is being taken apart. */
export const FILE_LINES_MAX = 450;
export const COLUMNS_MAX = 100;

const isCode = ({ path }: SourceFile) => /\.(ts|lua|mjs)$/.test(path);

export const fileLines: Rule = {
  name: `files have up to ${FILE_LINES_MAX} lines`,
  reason: 'small files of one idea each are read whole and reviewed whole',
  check: (files) =>
    files
      .filter((file) => isCode(file) && file.lines.length > FILE_LINES_MAX)
      .map(({ path, lines }) => ({ path, line: lines.length, what: `${lines.length} lines` })),
};

export const columns: Rule = {
  name: `lines have up to ${COLUMNS_MAX} columns`,
  reason: 'two files fit side by side; the formatter leaves strings and comments to us',
  check: (files) =>
    files.filter(isCode).flatMap(({ path, lines }) =>
      lines.flatMap((line, i) => {
        const length = [...line].length;
        if (length <= COLUMNS_MAX || /https?:\/\//.test(line)) return [];
        return [{ path, line: i + 1, what: `${length} columns` }];
      }),
    ),
};

const FUNCTIONS = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'StaticBlock',
]);

export const functionLines: Rule = {
  name: `functions have up to ${FUNCTION_LINES_MAX} lines`,
  reason: 'a function fits on a screen, or it is several',
  check: (files) => files.filter((file) => file.isScript).flatMap(longFunctions),
};

function longFunctions(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  walk(file.program, (node) => {
    if (!FUNCTIONS.has(node.type)) return;
    const line = file.lineOf(node.start);
    const lines = file.lineOf(node.end) - line + 1;
    if (lines <= FUNCTION_LINES_MAX || (file.isTest && groupsTests(node))) return;
    findings.push({ path: file.path, line, what: `a function of ${lines} lines` });
  });
  return findings;
}

const TEST_CALLS = new Set(['test', 'it', 'describe']);

/** A function that only holds tests together: what counts is how long each of them is. */
function groupsTests(group: SyntaxNode): boolean {
  let found = false;
  walk(group, (node) => {
    if (node.type !== 'CallExpression') return;
    let callee = node.callee as SyntaxNode;
    while (callee.type === 'CallExpression' || callee.type === 'MemberExpression') {
      callee = (callee.callee ?? callee.object) as SyntaxNode;
    }
    found ||= TEST_CALLS.has(callee.name as string);
  });
  return found;
}
