import { expect, test } from 'vitest';
import { LEDGER, PAGE, REQUIREMENTS, renderPage } from '../ledger.ts';
import { check } from '../testing/repository.ts';
import { ledger, ledgerPage } from './ledger.ts';

const requirements = 'id\tlevel\tasks for\n1-1\tMUST\tone thing\n6888-9\tMUST\tPCP\n';
const OPEN_ROW = '6888-9\tno\tis not there';
const ROW = '1-1\tyes\tso\ta.ts\ta.test.ts\tdoes it';

function repository(...rows: string[]): Record<string, string> {
  const table = ['id\tstatus\thow\tcode\ttest\tname', ...rows, ''].join('\n');
  return {
    [REQUIREMENTS]: requirements,
    [LEDGER]: table,
    [PAGE]: renderPage(requirements, table),
    'a.ts': '',
    'a.test.ts': "test('does it', f);",
  };
}

test('a ledger whose tests are there is right, and so is its page', () => {
  const files = repository(ROW, OPEN_ROW);
  expect(check(ledger, files)).toEqual([]);
  expect(check(ledgerPage, files)).toEqual([]);
});

test.each([
  ['no row', [OPEN_ROW], `${LEDGER}:1: no row for 1-1`],
  ['an id that is none', [ROW, '1-2\tyes', OPEN_ROW], `${LEDGER}:3: "1-2" is no requirement`],
  ['a row twice', [ROW, ROW, OPEN_ROW], `${LEDGER}:3: 1-1 is there twice`],
  ['no test', ['1-1\tyes\t\ta.ts', OPEN_ROW], `${LEDGER}:2: 1-1: has no test`],
  ['a no without a test', ['1-1\tno\tno need', OPEN_ROW], `${LEDGER}:2: 1-1: has no test`],
  ['no setting', ['1-1\tby configuration', OPEN_ROW], 'says by configuration, and not how or why'],
  ['no reason', [ROW, '6888-9\tno\t'], `${LEDGER}:3: 6888-9: says no, and not why`],
  ['another status', ['1-1\tmaybe', OPEN_ROW], 'the status "maybe" is none of'],
  ['a test that is none', [ROW.replace('a.test.ts', 'a.ts'), OPEN_ROW], 'a.ts is no test'],
  ['no such file', [ROW.replace('a.test', 'b.test'), OPEN_ROW], 'there is no b.test.ts'],
  ['no such test', [ROW.replace('does it', 'x'), OPEN_ROW], 'a.test.ts has no test "x"'],
  ['no such code', [ROW.replace('a.ts', 'b.ts'), OPEN_ROW], 'there is no code b.ts'],
])('%s', (_, rows, expected) => {
  expect(check(ledger, repository(...rows))).toEqual([expect.stringContaining(expected)]);
});

test('a page that was not made anew', () => {
  const files = { ...repository(ROW, OPEN_ROW), [PAGE]: '# old\n' };
  expect(check(ledgerPage, files)).toEqual([`${PAGE}:1: differs from its tables`]);
});
