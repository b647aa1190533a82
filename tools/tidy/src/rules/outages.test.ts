import { expect, test } from 'vitest';
import { check } from '../testing/repository.ts';
import { OUTAGES, outages } from './outages.ts';

const PROMISE = '| row | what fails | known |\n| --- | --- | --- |\n| dies | it | go on |\n';
const HEAD = '| row | test | name |\n| --- | --- | --- |\n';

function repository(...rows: string[]): Record<string, string> {
  const page = `${PROMISE.replace('| it |', '| it | all |')}\n${HEAD}${rows.join('\n')}\n`;
  return { [OUTAGES]: page, 'a.test.ts': "test('goes on', f);" };
}

test('a contract whose tests are there is right', () => {
  expect(check(outages, repository('| dies | a.test.ts | goes on |'))).toEqual([]);
});

test.each([
  ['a row without a test', [], `${OUTAGES}:3: dies has no test`],
  ['no such file', ['| dies | b.test.ts | goes on |'], 'there is no b.test.ts'],
  ['no such test', ['| dies | a.test.ts | stops |'], 'no test "stops"'],
])('%s', (_, rows, expected) => {
  expect(check(outages, repository(...rows))).toEqual([expect.stringContaining(expected)]);
});

test('a test of no row', () => {
  const rows = ['| dies | a.test.ts | goes on |', '| lives | a.test.ts | goes on |'];
  expect(check(outages, repository(...rows))).toEqual([expect.stringContaining('is no row')]);
});
