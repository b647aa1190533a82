/**
 * The ledger of RFC compliance: what each requirement asks for, whether this NAT does it, where,
 * and the test that proves it. Two tables of tab-separated text, and a page made of both:
 *
 * ```
 *   docs/rfc-requirements.tsv   id  level  asks for                        what the RFCs want
 *   docs/rfc-ledger.tsv         id  status  how  code  test  name         what we do about it
 *                    |
 *                    v
 *   docs/rfc-compliance.md      one line per requirement, its id first
 * ```
 */
export const REQUIREMENTS = 'docs/rfc-requirements.tsv';
export const LEDGER = 'docs/rfc-ledger.tsv';
export const PAGE = 'docs/rfc-compliance.md';

export const STATUSES = ['yes', 'by configuration', 'no'] as const;

/** What may be `no` without a test, each with its reason. */
export const OPEN: Readonly<Record<string, string>> = {
  '6888-9': 'PCP (RFC 6887) is a protocol of its own, and an issue of its own',
};

export interface LedgerRow {
  readonly id: string;
  readonly status: string;
  /** By which setting, in which way, or why not. */
  readonly how: string;
  readonly code: string;
  /** The path of the test, and the name of one test in it. */
  readonly test: string;
  readonly name: string;
  readonly line: number;
}

export interface Requirement {
  readonly id: string;
  readonly level: string;
  readonly asks: string;
}

export function readRequirements(text: string): Requirement[] {
  return cellsOf(text).map(([id = '', level = '', asks = '']) => ({ id, level, asks }));
}

export function readLedger(text: string): LedgerRow[] {
  return cellsOf(text).map((cells, i) => {
    const [id = '', status = '', how = '', code = '', test = '', name = ''] = cells;
    return { id, status, how, code, test, name, line: i + 2 };
  });
}

/** The rows below the heading. */
function cellsOf(text: string): string[][] {
  const [, ...lines] = text.trimEnd().split('\n');
  return lines.map((line) => line.split('\t'));
}

const HEAD = `# RFC compliance

Every requirement of RFC 4787 (UDP), RFC 5382 (TCP), RFC 5508 (ICMP), RFC 6888 (carrier-grade NAT)
and RFC 7857 (updates) under its id, what this NAT does about it, the code, and the test that proves
it.

Made from \`${REQUIREMENTS}\` and \`${LEDGER}\` by \`node tools/tidy/src/main.ts\`;
\`tools/tidy\` holds it to them, and fails where a test or a file that is named here does not exist.

| id | level | asks for | status | how | code | test |
| --- | --- | --- | --- | --- | --- | --- |
`;

export function renderPage(requirements: string, ledger: string): string {
  const rows = new Map(readLedger(ledger).map((row) => [row.id, row]));
  const lines = readRequirements(requirements).map(({ id, level, asks }) => {
    const { status = 'no', how = '', code = '', test = '', name = '' } = rows.get(id) ?? {};
    const proof = test === '' ? '' : `\`${test}\`: ${escapeCell(name)}`;
    const where = code === '' ? '' : `\`${code}\``;
    const cells = [id, level, escapeCell(asks), status, escapeCell(how), where, proof];
    return `| ${cells.join(' | ')} |\n`;
  });
  return HEAD + lines.join('');
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|');
}
