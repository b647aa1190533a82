import { expect, test } from 'vitest';
import { LEDGER, REQUIREMENTS, readLedger, readRequirements } from './ledger.ts';
import { repositoryFiles } from './source.ts';

const files = repositoryFiles();
const text = (path: string) => files.find((file) => file.path === path)!.text;

test('6888-1: no MUST of the transport RFCs is unmet', () => {
  const musts = readRequirements(text(REQUIREMENTS))
    .filter(({ id, level }) => /^(4787|5382|5508)-/.test(id) && level.startsWith('MUST'))
    .map(({ id }) => id);
  expect(musts.length).toBeGreaterThan(25);
  const unmet = readLedger(text(LEDGER)).filter(({ status }) => status === 'no');
  expect(unmet.map(({ id }) => id).filter((id) => musts.includes(id))).toEqual([]);
});
