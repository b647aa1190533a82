import { TCP, TCP_ROW_FLAGS } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from './headers.ts';
import { Packet } from './parse.ts';
import { inboundFlags, isFirstSegment, isReset, outboundFlags } from './segment.ts';

const SEGMENTS = {
  SYN: TCP_SYN,
  'SYN-ACK': TCP_SYN | TCP_ACK,
  ACK: TCP_ACK,
  FIN: TCP_FIN | TCP_ACK,
  RST: TCP_RST | TCP_ACK,
};

test('a segment adds the flags that its row of the table of TCP states says', () => {
  for (const [segment, tcpFlags] of Object.entries(SEGMENTS)) {
    const packet = Object.assign(new Packet(), { protocol: TCP, tcpFlags });
    expect(outboundFlags(packet)).toBe(TCP_ROW_FLAGS[`out ${segment}`]);
    expect(inboundFlags(packet)).toBe(TCP_ROW_FLAGS[`in ${segment}`]);
    expect(isFirstSegment(packet)).toBe(segment === 'SYN');
    expect(isReset(packet)).toBe(segment === 'RST');
  }
});
