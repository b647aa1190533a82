/** The ledger of RFC compliance is whole, and what it names is there. */
import type { Finding, Rule } from '../finding.ts';
import {
  LEDGER,
  type LedgerRow,
  OPEN,
  PAGE,
  REQUIREMENTS,
  readLedger,
  readRequirements,
  renderPage,
  STATUSES,
} from '../ledger.ts';
import type { SourceFile } from '../source.ts';

export const ledger: Rule = {
  name: 'every requirement of the RFCs has its row in the ledger, and its test',
  reason: 'a promise that no test holds is a hope',
  check(files) {
    const byPath = new Map(files.map((file) => [file.path, file]));
    const [requirements, table] = [byPath.get(REQUIREMENTS), byPath.get(LEDGER)];
    if (requirements === undefined || table === undefined) return [];
    const rows = readLedger(table.text);
    const wanted = readRequirements(requirements.text).map(({ id }) => id);
    const finding = (line: number, what: string): Finding => ({ path: LEDGER, line, what });
    const ids = rows.map(({ id }) => id);
    return [
      ...wanted.filter((id) => !ids.includes(id)).map((id) => finding(1, `no row for ${id}`)),
      ...rows.flatMap((row) => {
        const { id, line } = row;
        if (!wanted.includes(id)) return [finding(line, `"${id}" is no requirement`)];
        if (ids.indexOf(id) !== line - 2) return [finding(line, `${id} is there twice`)];
        return problemsOf(row, byPath).map((what) => finding(line, `${id}: ${what}`));
      }),
    ];
  },
};

function problemsOf(row: LedgerRow, files: ReadonlyMap<string, SourceFile>): string[] {
  const { id, status, how, code, test, name } = row;
  if (!STATUSES.some((each) => each === status)) {
    return [`the status "${status}" is none of ${STATUSES.join(', ')}`];
  }
  if (status === 'no' && id in OPEN) return how === '' ? ['says no, and not why'] : [];
  if (status !== 'yes' && how === '') return [`says ${status}, and not how or why`];
  if (test === '' || name === '') return ['has no test'];
  if (!test.endsWith('.test.ts')) return [`${test} is no test`];
  const file = files.get(test);
  if (file === undefined) return [`there is no ${test}`];
  if (!file.text.includes(name)) return [`${test} has no test "${name}"`];
  if (status !== 'no' && !files.has(code)) return [`there is no code ${code}`];
  return [];
}

export const ledgerPage: Rule = {
  name: `${PAGE} is what its tables say`,
  reason: 'node tools/tidy/src/main.ts writes it anew',
  check(files) {
    const text = (path: string) => files.find((file) => file.path === path)?.text;
    const [requirements, table] = [text(REQUIREMENTS), text(LEDGER)];
    if (requirements === undefined || table === undefined) return [];
    if (text(PAGE) === renderPage(requirements, table)) return [];
    return [{ path: PAGE, line: 1, what: 'differs from its tables' }];
  },
};
