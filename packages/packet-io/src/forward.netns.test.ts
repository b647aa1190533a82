import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ForwarderReport } from './testing/forwarder.ts';
import { type Program, TestNetwork, whyNoNamespaces } from './testing/namespaces.ts';

const reason = whyNoNamespaces();
const WAIT = { timeout: 10_000, interval: 20 };
interface Frames {
  frames: string[];
  offsets: number[];
  counters: Record<string, number>;
}

describe.skipIf(reason !== undefined)(`a forwarder between two hosts (${reason ?? 'root'})`, () => {
  let network: TestNetwork;
  let forwarder: Program;

  beforeAll(async () => {
    network = new TestNetwork();
    forwarder = network.start('r', 'forwarder.ts', 'r0', 'r1');
    await forwarder.answer();
  });
  afterAll(() => network?.close());

  const transfer = async (port: number, bytes: number) => {
    const server = network.start('b', 'tcp.ts', 'serve', '198.19.0.2', `${port}`);
    await server.answer();
    const client = network.start('a', 'tcp.ts', 'send', '198.19.0.2', `${port}`, `${bytes}`);
    const [sent, received] = await Promise.all([client.answer(), server.answer()]);
    server.kill();
    client.kill();
    return { sent, received };
  };

  test('neighbours resolve from nothing, frames arrive as they were sent', async () => {
    const collector = network.start('b', 'frames.ts', 'collect', 'b0');
    const sender = network.start('a', 'frames.ts', 'send', 'a0', '198.18.0.2', '198.19.0.2');
    await Promise.all([collector.answer(), sender.answer()]);
    // The first packet makes the box ask for b's MAC; it is dropped meanwhile.
    await vi.waitFor(async () => {
      await sender.ask('1 20');
      const report = await forwarder.ask<ForwarderReport>('report');
      expect(report.wires.r1.txFrames).toBeGreaterThan(0);
    }, WAIT);
    const first = await collector.ask<Frames>('1');
    expect(first.frames).toHaveLength(1);

    const collected = collector.ask<Frames>('180');
    const sent = [];
    for (const burst of ['60 1', '60 18', '60 1472']) {
      sent.push(...(await sender.ask<Frames>(burst)).frames);
    }
    const received = await collected;
    expect(received.frames).toEqual(sent);
    expect(received.offsets.every((offset) => offset % 4 === 0)).toBe(true);
    expect(received.counters).toMatchObject({ rxTruncated: 0, rxDropped: 0, rxErrors: 0 });
    const report = await forwarder.ask<ForwarderReport>('report');
    expect(report.unresolved).toBeGreaterThan(0);
    expect(report.nextHops.asksRefused).toBe(0);
  });

  test('TCP segments of up to 64 KiB pass whole', async () => {
    const { sent, received } = await transfer(7001, 30_000_000);
    expect(received).toEqual(sent);
    const report = await forwarder.ask<ForwarderReport>('report');
    expect(report.largestFrame).toBeGreaterThan(1514 + 10);
    expect(report.wires.r1.txErrors).toBe(0);
  });

  test('a link that goes down and comes back carries packets again', async () => {
    const before = await forwarder.ask<ForwarderReport>('report');
    network.ip('r', 'link', 'set', 'r1', 'down');
    await vi.waitFor(async () => {
      const report = await forwarder.ask<ForwarderReport>('report');
      expect(report.wires.r1.linkDowns).toBeGreaterThan(before.wires.r1.linkDowns);
    }, WAIT);
    network.ip('r', 'link', 'set', 'r1', 'up');
    const { sent, received } = await transfer(7002, 1_000_000);
    expect(received).toEqual(sent);
  });

  test('an interface that is deleted does not take the forwarder with it', async () => {
    network.ip('r', 'link', 'add', 'r2', 'type', 'veth', 'peer', 'name', 'p2');
    network.ip('r', 'link', 'set', 'r2', 'up');
    const other = network.start('r', 'forwarder.ts', 'r0', 'r2');
    await other.answer();
    network.ip('r', 'link', 'del', 'r2');
    await vi.waitFor(async () => {
      const report = await other.ask<ForwarderReport>('report');
      expect(report.wires.r2.linkDowns).toBeGreaterThan(0);
    }, WAIT);
    // Nor does a dead socket keep it busy: polling it must not return at once for ever.
    const before = await other.ask<ForwarderReport>('report');
    const { waits } = await vi.waitUntil(async () => {
      const report = await other.ask<ForwarderReport>('report');
      return report.ms - before.ms > 300 && report;
    }, WAIT);
    expect(waits - before.waits).toBeLessThan(100);
    other.kill();
  });
});
