import { SHARDS } from '@flowstore/flow';
import { expect, it } from 'vitest';
import { crc16, SHARD_TAGS, SLOTS, slotOfTag } from './keys.ts';

it('computes the CRC of the Redis Cluster specification', () => {
  expect(crc16('123456789')).toBe(0x31c3);
});

it('puts one shard into each 64th of the slots, near its middle', () => {
  const width = SLOTS / SHARDS;
  SHARD_TAGS.forEach((tag, shard) => {
    const fromMiddle = slotOfTag(tag) - (shard * width + width / 2);
    expect(Math.abs(fromMiddle)).toBeLessThan(width / 4);
  });
  expect(new Set(SHARD_TAGS).size).toBe(SHARDS);
});

it('never changes a tag: keys of running deployments carry them', () => {
  expect(SHARD_TAGS.join(' ')).toBe(
    [
      'mm 6q 9i e8 29 21 ap ax 0j kv dn df 3g o6 gc xw',
      '8g d6 lc 02 g3 4c on 4r 99 91 1d m5 fm yy 2i iu',
      '7a k0 ce 8y 4l op x9 x1 jf 1z zj b3 ik 2w yg fs',
      'bk 9w 6o ms af an 5b i3 c5 dp kh 0t xi xa he 44',
    ].join(' '),
  );
});
