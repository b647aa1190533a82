import { describe, expect, test } from 'vitest';
import { parseStoreUrl, withoutPassword } from './store-url.ts';

describe('a store URL', () => {
  test('of one server, with what is left out by default', () => {
    expect(parseStoreUrl('redis://store')).toEqual({
      kind: 'single',
      nodes: [{ host: 'store', port: 6379 }],
      tls: false,
      masterName: '',
      database: 0,
    });
    expect(parseStoreUrl('rediss://u:p%40%2F@[2001:db8::1]:7000/3')).toMatchObject({
      nodes: [{ host: '2001:db8::1', port: 7000 }],
      tls: true,
      username: 'u',
      password: 'p@/',
      database: 3,
    });
    expect(parseStoreUrl('redis://:secret@store')).toMatchObject({ password: 'secret' });
  });

  test('of Sentinels and the master they know', () => {
    expect(parseStoreUrl('redis+sentinel://a,b:7000/flows')).toMatchObject({
      kind: 'sentinel',
      nodes: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 7_000 },
      ],
      masterName: 'flows',
    });
  });

  test('of some nodes of a cluster', () => {
    expect(parseStoreUrl('rediss+cluster://a:1,b:2')).toMatchObject({
      kind: 'cluster',
      tls: true,
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    });
  });

  test.each([
    ['', 'must be redis://host:port'],
    ['http://store', 'must be redis://host:port'],
    ['redis://', 'must be redis://host:port'],
    ['redis+replica://a', 'must be redis://host:port'],
    ['redis://a,b', 'several hosts are for'],
    ['redis://a:0', 'a port 1 to 65535'],
    ['redis://a:65536', 'a port 1 to 65535'],
    ['redis://a b', 'a name or an address'],
    ['redis://a/x', 'number of a database'],
    ['redis+cluster://a/1', 'no databases but 0'],
    ['redis+sentinel://a', 'name of the master'],
    ['redis://u:%zz@a', 'percent-encoded'],
  ])('%j is refused, and why', (text, why) => {
    expect(() => parseStoreUrl(text)).toThrow(RangeError);
    expect(() => parseStoreUrl(text)).toThrow(why);
  });

  test('is shown without its password, and not at all where it can’t be read', () => {
    expect(withoutPassword('redis://u:secret@store:1/2')).toBe('redis://u:***@store:1/2');
    expect(withoutPassword('rediss+sentinel://:secret@a,b/m')).toBe(
      'rediss+sentinel://:***@a:26379,b:26379/m',
    );
    expect(withoutPassword('redis+cluster://[2001:db8::1]:7')).toBe(
      'redis+cluster://[2001:db8::1]:7',
    );
    expect(withoutPassword('secret@host')).toBe('(not a URL)');
  });
});
