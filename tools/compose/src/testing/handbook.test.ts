import { expect, test } from 'vitest';
import { section, steps } from './handbook.ts';

const text = `# x

## First

none

## Run it

\`\`\`sh
# on a, b and c, as root, in deploy/store
one
two
\`\`\`

\`\`\`sh
# on every box
three
\`\`\`

## Next
`;

test('a section ends where the next one begins, and one that is not there is said', () => {
  expect(section(text, 'First').trim()).toBe('none');
  expect(() => section(text, 'Last')).toThrow(/"Last"/);
});

test('a block says where it is to be run, and one that does not is refused', () => {
  expect(steps(section(text, 'Run it'))).toEqual([
    { places: ['a', 'b', 'c'], folder: 'deploy/store', commands: 'one\ntwo\n' },
    { places: ['every box'], folder: '.', commands: 'three\n' },
  ]);
  expect(() => steps('```sh\nls\n```\n')).toThrow(/before: ls/);
});
