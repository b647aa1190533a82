import { expect, test } from 'vitest';
import { codename, sourceLines } from './debian.ts';

test('apt’s own sources become lines of a sources.list, each once', () => {
  const targets = [
    'mirror:/debian/\tbookworm\tmain',
    'mirror:/debian/\tbookworm\tmain',
    'mirror:/other/\tstable\tmain',
    '',
  ];
  const lines = sourceLines(targets.join('\n'));
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^deb \[signed-by=.*gpg\] mirror:\/debian\/ bookworm main$/);
});

test('the release is read from os-release, and another distribution is refused', () => {
  expect(codename('ID=debian\nVERSION_CODENAME=bookworm\n')).toBe('bookworm');
  expect(() => codename('ID=fedora\nVERSION_ID=43\n')).toThrow(/Debian/);
});
