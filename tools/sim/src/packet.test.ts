import { IP_OFFSET } from '@flowstore/gateway-core';
import { buildPacket } from '@flowstore/nat/testing';
import { expect, test } from 'vitest';
import { ACK, ECHO_REQUEST, FIN, ICMP, readPacket, TCP, UDP, writePacket } from './packet.ts';

const tag = {
  talk: 77,
  inside: 0xc6120a0a,
  insidePort: 5_000,
  remote: 0xc633640a,
  remotePort: 443,
  outside: 0,
  outsidePort: 0,
  word: 3,
  sequence: 9,
  heardMs: 123_456,
};

test.each([
  [TCP, FIN | ACK],
  [UDP, 0],
  [ICMP, ECHO_REQUEST],
])('protocol %i: the bytes are those of a packet built the slow way', (protocol, control) => {
  const echo = protocol === ICMP;
  const [source, destination] = [tag.inside, tag.remote];
  const [sourcePort, destinationPort] = [5_000, echo ? 5_000 : 443];
  const header = { protocol, source, sourcePort, destination, destinationPort, control };
  const frame = writePacket(header, tag);
  const bytes = frame.bytes.slice(IP_OFFSET);
  const built = buildPacket({
    protocol,
    from: '198.18.10.10',
    to: '198.51.100.10',
    fromPort: 5_000,
    toPort: 443,
    fragment: 0,
    tcpFlags: control,
    icmpType: control,
    sequence: 9,
    acknowledgement: 77,
    payload: bytes.slice(-32),
  });
  // The window is nobody's business here.
  expect([...bytes]).toEqual([...built]);
  expect(readPacket(frame, frame.bytes.length)).toEqual({
    header,
    tag,
    sequence: protocol === TCP ? 9 : 0,
  });
});

test('a packet that was damaged is not read', () => {
  const header = { protocol: UDP, source: 1, sourcePort: 2, destination: 3, destinationPort: 4 };
  const frame = writePacket({ ...header, control: 0 }, tag);
  frame.bytes[frame.bytes.length - 1]! ^= 1;
  expect(() => readPacket(frame, frame.bytes.length)).toThrow('checksum');
});
