import { expect, test } from 'vitest';
import { formatFindings } from './finding.ts';
import { RULES } from './rules.ts';
import { repositoryFiles } from './source.ts';

const files = repositoryFiles();

test('the rules have something to look at', () => {
  expect(files.filter((file) => file.isScript).length).toBeGreaterThan(50);
});

test.each(RULES)('$name', (rule) => {
  const findings = rule.check(files);
  expect(findings.length, formatFindings(rule, findings)).toBe(0);
});
