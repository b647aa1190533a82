import { UDP } from '@flowstore/flow';
import { createMemoryLink } from '@flowstore/packet-io';
import { describe, expect, test } from 'vitest';
import { Host } from './host.ts';
import { tcpFrame, udpFrame } from './packets.ts';

const A = 0xc612010a;
const B = 0xc633640a;

function twoHosts() {
  const [wireA, wireB] = createMemoryLink('a', 'b');
  let next = 1;
  const random = () => next++ * 1_000;
  const host = (address: number, wire: typeof wireA) =>
    new Host({ address, wire, random, nowMs: 1_000 });
  const a = host(A, wireA);
  const b = host(B, wireB);
  let nowMs = 1_000;
  /** Until nothing moves, then `afterMs` later. */
  const run = (afterMs = 0) => {
    const end = nowMs + afterMs;
    do {
      nowMs = Math.min(end, nowMs + 10);
      for (let frames = 1; frames > 0; ) frames = a.step(nowMs) + b.step(nowMs) + a.step(nowMs);
    } while (nowMs < end);
  };
  return { a, b, wireA, wireB, run };
}

describe('a host', () => {
  test('talks TCP with another', () => {
    const { a, b, run } = twoHosts();
    b.listen(7, (connection) => ({
      onData: (bytes) => connection.send(bytes),
      onEnd: () => connection.close(),
    }));
    const heard: string[] = [];
    const { connection } = a.connect(B, 7, {
      onData: (bytes) => heard.push(new TextDecoder().decode(bytes)),
      onClosed: (how) => heard.push(how),
    });
    connection.send(new TextEncoder().encode('hello'));
    run(100);
    connection.close();
    run(100);
    expect(heard).toEqual(['hello', 'closed']);
    expect([a.resetsSent, b.resetsSent, a.wrongChecksums, b.wrongChecksums]).toEqual([0, 0, 0, 0]);
  });

  test('resets a connection to a port where nobody listens', () => {
    const { a, b, run } = twoHosts();
    const ends: string[] = [];
    a.connect(B, 9, { onData() {}, onClosed: (how) => ends.push(how) });
    run(20);
    expect(ends).toEqual(['reset']);
    expect(b.resetsSent).toBe(1);
  });

  test('resets an established connection whose port a NAT changed', () => {
    const { a, b, wireA, run } = twoHosts();
    b.listen(7, () => ({ onData() {} }));
    const { tuple } = a.connect(B, 7, { onData() {} });
    run(20);
    const other = { ...tuple, sourcePort: tuple.sourcePort + 1 };
    const data = { sequence: 5, acknowledgement: 6, flags: 0x10, payload: new Uint8Array(3) };
    const frame = tcpFrame(other, data);
    wireA.send(frame, 0, frame.bytes.length);
    run(20);
    expect(b.resetsSent).toBe(1);
  });

  test('answers ping and UDP, and drops what has a wrong checksum', () => {
    const { a, b, wireA, run } = twoHosts();
    const heard: string[] = [];
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    b.onDatagram(7, (payload, tuple) => b.sendDatagram(tuple, payload));
    a.onDatagram(99, (payload) => heard.push(text(payload)));
    a.onEchoReply(5, (sequence, payload) => heard.push(`${sequence} ${text(payload)}`));
    const ends = { source: A, sourcePort: 99, destination: B, destinationPort: 7 };
    const hello = new TextEncoder().encode('hello');
    a.sendDatagram({ protocol: UDP, ...ends }, hello);
    a.ping(B, 5, 3, hello);
    run(20);
    expect(heard).toEqual(['hello', '3 hello']);
    const broken = udpFrame({ protocol: UDP, ...ends }, hello);
    broken.bytes[broken.bytes.length - 1]! ^= 1;
    wireA.send(broken, 0, broken.bytes.length);
    run(20);
    expect(heard).toHaveLength(2);
    expect(b.wrongChecksums).toBe(1);
  });
});
