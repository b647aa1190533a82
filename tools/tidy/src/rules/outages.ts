/** The outage contract is held by tests: each row names some, and they are there. */
import type { Finding, Rule } from '../finding.ts';

export const OUTAGES = 'docs/outages.md';

const ROW = /^\| ([a-z][a-z-]*) \| (.*) \|$/;

export const outages: Rule = {
  name: 'every row of the outage contract has a test, and every test is there',
  reason: 'what an operator is promised must be seen to hold',
  check(files) {
    const byPath = new Map(files.map((file) => [file.path, file]));
    const page = byPath.get(OUTAGES);
    if (page === undefined) return [];
    const promised = new Map<string, number>();
    const tested = new Set<string>();
    const findings: Finding[] = [];
    const found = (line: number, what: string) => findings.push({ path: OUTAGES, line, what });
    for (const [at, text] of page.text.split('\n').entries()) {
      const [, id, rest] = ROW.exec(text) ?? [];
      if (id === undefined || rest === undefined || id === 'row') continue;
      const [path = '', name = '', ...more] = rest.split(' | ');
      if (more.length > 0) promised.set(id, at + 1);
      else {
        tested.add(id);
        if (!promised.has(id)) found(at + 1, `"${id}" is no row`);
        const file = byPath.get(path);
        if (file === undefined) found(at + 1, `there is no ${path}`);
        else if (!file.isTest || !file.text.includes(name)) found(at + 1, `no test "${name}"`);
      }
    }
    for (const [id, line] of promised) if (!tested.has(id)) found(line, `${id} has no test`);
    return findings;
  },
};
