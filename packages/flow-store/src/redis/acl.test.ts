/** flowstore.acl names what the scripts use: no more, so that the least rights stay the least. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ACL = readFileSync(new URL('../../flowstore.acl', import.meta.url), 'utf8');
const LUA = new URL('./lua/', import.meta.url);
/** What is sent from outside of scripts: by us and by ioredis. */
const SENT = ['eval', 'evalsha', 'info', 'wait', 'ping', 'select', 'scan', 'client|setname'];
const CLUSTER = ['cluster|slots', 'cluster|shards', 'asking', 'readonly'];

const sources = readdirSync(LUA, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.lua'))
  .map((name) => readFileSync(new URL(name, LUA), 'utf8'))
  .join('\n');

function all(pattern: RegExp, text: string): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, found]) => found!.toLowerCase()))].sort();
}

test('every command of the scripts is allowed, and nothing else', () => {
  const called = all(/\bp?call\(\s*'(\w+)'/g, sources);
  const allowed = all(/ \+([\w|]+)/g, ACL);
  expect(allowed).toEqual([...new Set([...called, ...SENT, ...CLUSTER])].sort());
});

test('so is every kind of key, and nothing else', () => {
  const built = all(/'(\w):' \.\. TAG/g, sources);
  // The shard's meta key is the one that is given.
  expect(all(/ ~(\w):\{\*/g, ACL)).toEqual([...built, 's'].sort());
  expect(ACL).toContain(' ~{??}* ');
});
