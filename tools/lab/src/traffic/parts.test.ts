// The pieces of the traffic programs that need no network.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { GapMeter } from './gap.ts';
import { Pattern, patternDigest } from './pattern.ts';
import { decodePayload, encodePayload } from './payload.ts';
import { parsePingReply } from './ping-reply.ts';

describe('the pattern', () => {
  it('is the same however it is cut', async () => {
    const whole = new Pattern('seed', 100_000).next(100_000);
    const pattern = new Pattern('seed', 100_000);
    const parts: Buffer[] = [];
    for (const size of [1, 15, 17, 40_000, 100_000, 5]) parts.push(pattern.next(size));
    expect(Buffer.concat(parts).equals(whole)).toBe(true);
    expect(pattern.leftBytes).toBe(0);
    const digest = createHash('sha256').update(whole).digest('hex');
    expect(await patternDigest('seed', 100_000)).toBe(digest);
  });

  it('is another one for another seed or length', async () => {
    const one = await patternDigest('a', 1_000);
    expect(await patternDigest('b', 1_000)).not.toBe(one);
    expect(await patternDigest('a', 1_001)).not.toBe(one);
  });
});

describe('the gap meter', () => {
  it('tells the longest silence, the present one included', () => {
    const gap = new GapMeter(100);
    gap.mark(150);
    gap.mark(170);
    expect(gap.longestMs(180)).toBe(50);
    expect(gap.longestMs(300)).toBe(130);
    gap.mark(180);
    expect(gap.longestMs(181)).toBe(50);
  });
});

describe('payloads', () => {
  it('name run, connection and number', () => {
    const payload = { run: 'a-1', connection: 7, sequence: 42 };
    expect(decodePayload(encodePayload(payload))).toEqual(payload);
  });

  it('are nothing else', () => {
    for (const text of ['', 'flowstore a 1', 'flowstore a 1 2 3', 'flowstore a -1 2', 'x a 1 2']) {
      expect(decodePayload(text)).toBeUndefined();
    }
  });
});

describe('ping replies', () => {
  it('are read from iputils’ lines', () => {
    const line = '64 bytes from 198.51.100.10: icmp_seq=3 ttl=62 time=0.512 ms';
    expect(parsePingReply(line)).toEqual({ sequence: 3, roundTripMs: 0.512 });
  });

  it('are not headers, errors or duplicates', () => {
    for (const line of [
      'PING 198.51.100.10 (198.51.100.10) 56(84) bytes of data.',
      'From 198.18.1.1 icmp_seq=1 Destination Net Unreachable',
      '64 bytes from 198.51.100.10: icmp_seq=3 ttl=62 time=0.5 ms (DUP!)',
    ]) {
      expect(parsePingReply(line)).toBeUndefined();
    }
  });
});
