import { expect, test } from 'vitest';
import { redactUrl } from './redact.ts';

test.each([
  ['redis://h:6379/0', 'redis://h:6379/0'],
  ['redis://me@h:6379', 'redis://me@h:6379'],
  ['redis://me:secret@h:6379/0', 'redis://me:***@h:6379/0'],
  ['rediss://:secret@h', 'rediss://:***@h'],
  ['redis://me:a@b/c@h', 'redis://me:***@h'],
  ['redis://h?password=secret&db=1', 'redis://h?password=***&db=1'],
  ['cannot reach redis://me:secret@h: refused', 'cannot reach redis://me:***@h: refused'],
  ['redis://me:secret@a and redis://me:other@b', 'redis://me:***@a and redis://me:***@b'],
  ['no url at all', 'no url at all'],
])('%s becomes %s', (text, redacted) => {
  expect(redactUrl(text)).toBe(redacted);
});
