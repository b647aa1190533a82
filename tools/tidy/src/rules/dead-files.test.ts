import { expect, test } from 'vitest';
import { check, project } from '../testing/repository.ts';
import { deadFiles } from './dead-files.ts';

test('a file that nothing reaches', () => {
  const files = {
    ...project('packages/a', [], "export * from './b.ts';"),
    'packages/a/src/b.ts': "import type { C } from './deep/c.ts';",
    'packages/a/src/deep/c.ts': "const d = new URL('../worker.ts', import.meta.url);",
    'packages/a/src/worker.ts': '',
    'packages/a/src/b.test.ts': "start('program.ts');",
    'packages/a/src/testing/program.ts': '',
    'packages/a/src/dead.ts': "import './dead-too.ts';",
    'packages/a/src/dead-too.ts': '',
    'apps/a/src/main.ts': '',
    'apps/a/src/testing/program.ts': '',
  };
  expect(check(deadFiles, files)).toEqual([
    'packages/a/src/dead.ts:1: nothing reaches it',
    'packages/a/src/dead-too.ts:1: nothing reaches it',
    'apps/a/src/testing/program.ts:1: nothing reaches it',
  ]);
});
