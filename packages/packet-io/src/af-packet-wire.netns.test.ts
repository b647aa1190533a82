import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAfPacket } from './af-packet-wire.ts';
import { nativeSupported } from './native.ts';
import { TestNetwork, whyNoNamespaces } from './testing/namespaces.ts';

const reason = whyNoNamespaces();

// A promise about other systems: there is nothing to skip on this one.
if (!nativeSupported()) {
  test('elsewhere than Linux it says so', () => {
    const refused = expect.objectContaining({ code: 'PACKET_IO_UNSUPPORTED' });
    expect(() => openAfPacket({ interfaceName: 'lo' })).toThrow(refused);
  });
}

test.skipIf(!nativeSupported())('what can not be opened is refused with a code', () => {
  for (const interfaceName of ['', 'fspio-nothing', 'longer than any name of an interface']) {
    const refused = expect.objectContaining({ code: 'PACKET_IO_NO_INTERFACE' });
    expect(() => openAfPacket({ interfaceName })).toThrow(refused);
  }
  for (const batchMax of [0, 1.5, 1025]) {
    const refused = expect.objectContaining({ code: 'PACKET_IO_ARGUMENT' });
    expect(() => openAfPacket({ interfaceName: 'lo', batchMax })).toThrow(refused);
  }
});

describe.skipIf(reason !== undefined)(`an AF_PACKET wire (${reason ?? 'root'})`, () => {
  let network: TestNetwork;
  beforeAll(() => {
    network = new TestNetwork();
  });
  afterAll(() => network?.close());

  test('without the right it says so', async () => {
    const program = network.start('a', 'open-as-nobody.ts', 'a0');
    expect(await program.answer()).toEqual({ code: 'PACKET_IO_NOT_PERMITTED' });
  });

  test('counts what it refuses, bounds its batches and its copies, closes twice', async () => {
    const program = network.start('a', 'wire-limits.ts', 'a0');
    expect(await program.answer()).toEqual({
      refused: { txFrames: 0, txErrors: 3 },
      // More frames and bytes than the queue and the copying area hold: it flushed by itself.
      large: { txFrames: 20, txErrors: 0, txDropped: 0 },
      // Five frames in batches of four: two sends found the interface down.
      down: { txFrames: 0, txErrors: 5, linkDowns: 2, lastErrno: 100 },
      closed: { received: 0, fd: -1 },
    });
  });

  test('only IPv4, untagged, for our own MAC is received', async () => {
    const collector = network.start('r', 'frames.ts', 'collect', 'r0');
    await collector.answer();
    const collected = collector.ask<{ frames: string[] }>('1');
    network.ip('a', 'link', 'set', 'a0', 'up');
    const strays = network.start('a', 'strays.ts', 'a0', network.mac('r', 'r0'));
    const { packet, txFrames } = await strays.answer<{ packet: string; txFrames: number }>();
    expect(txFrames).toBe(6);
    expect((await collected).frames).toEqual([packet]);
  });

  // A full device queue says ENOBUFS, a full send buffer of ours EAGAIN.
  test.each([
    ['device', 'limit 3000', 1 << 20, 105],
    ['send buffer', 'limit 10000000', 4096, 11],
  ])(
    'a way out that stays full (%s) drops and counts, in bounded time',
    async (_, limit, bytes, errno) => {
      const slow = `qdisc replace dev a0 root tbf rate 1mbit burst 2000 ${limit}`;
      network.tc('a', ...slow.split(' '));
      const program = network.start('a', 'congestion.ts', 'a0', `${bytes}`);
      const counts = await program.answer<Record<string, number>>();
      expect(counts.txFrames).toBeGreaterThan(0);
      expect(counts.txDropped).toBeGreaterThan(0);
      expect(counts).toMatchObject({ txErrors: 0, lastErrno: errno });
      expect(counts.txFrames + counts.txDropped).toBe(500);
      expect(counts.ms).toBeLessThan(5_000);
      network.tc('a', 'qdisc', 'del', 'dev', 'a0', 'root');
    },
  );
});
