import { TCP_ACK, TCP_RST } from '@flowstore/nat';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Segment } from './packets.ts';
import { RETRIES_MAX, SEGMENT_BYTES_MAX, TcpConnection } from './tcp.ts';

/** Two ends on a virtual clock; `loses` decides about each segment by its number. */
class Pair {
  nowMs = 1_000;
  readonly heard: number[] = [];
  readonly ends: string[] = [];
  readonly client: TcpConnection;
  server: TcpConnection | null = null;
  #sent = 0;
  #toServer: Segment[] = [];
  #toClient: Segment[] = [];
  readonly #loses: (k: number) => boolean;
  readonly #isnServer: number;

  constructor(options: { loses?: (k: number) => boolean; isn?: number } = {}) {
    this.#loses = options.loses ?? (() => false);
    this.#isnServer = options.isn ?? 77;
    this.client = new TcpConnection(this.#link(this.#toServer), options.isn ?? 42);
    this.client.events = { onData() {}, onClosed: (how) => this.ends.push(`client ${how}`) };
  }

  /** Carries segments and lets time pass until `done`, or for 5 virtual minutes. */
  run(done: () => boolean): void {
    for (const end = this.nowMs + 300_000; this.nowMs < end && !done(); this.nowMs += 10) {
      for (const segment of this.#toServer.splice(0)) this.#deliver(segment);
      for (const segment of this.#toClient.splice(0)) this.client.receive(segment);
      this.client.tick(this.nowMs);
      this.server?.tick(this.nowMs);
    }
  }

  get inFlight(): number {
    return this.#toServer.length + this.#toClient.length;
  }

  #deliver(segment: Segment): void {
    if (this.server !== null) {
      this.server.receive(segment);
      return;
    }
    const server = new TcpConnection(this.#link(this.#toClient), this.#isnServer, segment);
    this.server = server;
    server.events = {
      onData: (bytes) => this.heard.push(...bytes),
      onEnd: () => server.close(),
      onClosed: (how) => this.ends.push(`server ${how}`),
    };
  }

  #link(queue: Segment[]) {
    return {
      nowMs: () => this.nowMs,
      transmit: (segment: Segment) => {
        if (!this.#loses(this.#sent++)) queue.push(segment);
      },
    };
  }
}

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
}

describe('the small TCP', () => {
  test('opens, delivers in order, and closes from both ends', () => {
    const pair = new Pair();
    const body = bytesOf(20_000);
    pair.client.send(body);
    pair.client.close();
    pair.run(() => pair.ends.length === 2);
    expect(pair.heard).toEqual([...body]);
    expect(pair.ends.sort()).toEqual(['client closed', 'server closed']);
    expect(pair.client.retransmissions).toBe(0);
  });

  test('delivers in order whatever the link loses, across the wrap of sequence numbers', () => {
    const lossy = fc.record({
      seed: fc.integer(),
      percent: fc.integer({ min: 0, max: 30 }),
      size: fc.integer({ min: 0, max: 30_000 }),
      isn: fc.constantFrom(0, 42, 0xffff_fff0, 0x7fff_ff00),
    });
    fc.assert(
      fc.property(lossy, ({ seed, percent, size, isn }) => {
        const loses = (k: number) =>
          Math.imul(k ^ seed, 0x9e3779b1) >>> 0 < (percent / 100) * 2 ** 32;
        const pair = new Pair({ loses, isn });
        const body = bytesOf(size);
        pair.client.send(body);
        pair.client.close();
        pair.run(() => pair.ends.includes('server closed'));
        expect(pair.heard).toEqual([...body]);
      }),
      { numRuns: 60 },
    );
  });

  test('after an outage it goes on by itself', () => {
    let away = false;
    const pair = new Pair({ loses: () => away });
    pair.client.send(bytesOf(SEGMENT_BYTES_MAX));
    pair.run(() => pair.heard.length === SEGMENT_BYTES_MAX);
    away = true;
    pair.client.send(bytesOf(10));
    const lostMs = pair.nowMs;
    pair.run(() => pair.nowMs > lostMs + 3_000);
    away = false;
    pair.run(() => pair.heard.length === SEGMENT_BYTES_MAX + 10);
    expect(pair.nowMs - lostMs).toBeLessThan(4_500);
    expect(pair.client.retransmissions).toBeGreaterThan(1);
    expect(pair.ends).toEqual([]);
  });

  test('gives up when nobody answers for long', () => {
    const pair = new Pair({ loses: () => true });
    pair.run(() => pair.ends.length > 0);
    expect(pair.ends).toEqual(['client timeout']);
    expect(pair.client.retransmissions).toBe(RETRIES_MAX);
  });

  test('an RST ends it where it fits, and is ignored where it does not', () => {
    const pair = new Pair();
    pair.client.send(bytesOf(100));
    pair.run(() => pair.heard.length === 100 && pair.inFlight === 0);
    const reset = { acknowledgement: 0, flags: TCP_RST, payload: new Uint8Array(0) };
    pair.client.receive({ ...reset, sequence: 77 + 1 + 70_000 });
    pair.client.receive({ ...reset, sequence: 77 });
    expect(pair.ends).toEqual([]);
    pair.client.receive({ ...reset, sequence: 78 });
    expect(pair.ends).toEqual(['client reset']);
  });

  test('an ACK of what was never sent counts for nothing', () => {
    const pair = new Pair({ loses: (k) => k > 3 });
    pair.run(() => pair.client.state === 'established' && pair.inFlight === 0);
    pair.client.send(bytesOf(100));
    pair.client.receive({
      sequence: 78,
      acknowledgement: 5_000,
      flags: TCP_ACK,
      payload: new Uint8Array(0),
    });
    expect(pair.client.queuedBytes).toBe(100);
  });
});
