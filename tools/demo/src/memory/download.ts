/**
 * A download: the client asks with one line, "GET bytes seed ms", and the server streams the body
 * of that seed, paced over so many ms, and closes.
 */
import { createHash } from 'node:crypto';
import type { TrafficResult } from '../result.ts';
import { Body, bodyDigest } from './body.ts';
import { GAP_MAX_MS, Gap } from './gap.ts';
import type { Host } from './host.ts';
import type { Tuple } from './packets.ts';
import type { TcpConnection, TcpEvents } from './tcp.ts';

const PORT = 80;
const CHUNK_BYTES = 1_400;
/** What TCP has not got rid of; beyond it the server waits. */
const QUEUE_BYTES_MAX = 65_536;

interface Stream {
  readonly connection: TcpConnection;
  readonly body: Body;
  readonly bytes: number;
  readonly durationMs: number;
  readonly startMs: number;
  sentBytes: number;
}

export class DownloadServer {
  /** Of the connection that came in last, in the server's direction. */
  lastTuple: Tuple | null = null;
  readonly #clock: () => number;
  readonly #streams = new Set<Stream>();

  constructor(host: Host, clock: () => number) {
    this.#clock = clock;
    host.listen(PORT, (connection, tuple) => {
      this.lastTuple = tuple;
      return this.#serve(connection);
    });
  }

  step(nowMs: number): number {
    for (const stream of this.#streams) this.#pump(stream, nowMs);
    return 0;
  }

  #serve(connection: TcpConnection): TcpEvents {
    let request = '';
    return {
      onData: (bytes) => {
        request += new TextDecoder().decode(bytes);
        if (!request.endsWith('\n')) return;
        const [, size = 0, seed = 0, durationMs = 0] = request.split(' ').map(Number);
        const body = new Body(seed);
        const startMs = this.#clock();
        this.#streams.add({ connection, body, bytes: size, durationMs, startMs, sentBytes: 0 });
      },
      onEnd: () => connection.close(),
    };
  }

  #pump(stream: Stream, nowMs: number): void {
    const { connection, bytes, durationMs } = stream;
    const due = Math.min(1, (nowMs - stream.startMs) / durationMs) * bytes;
    while (stream.sentBytes < due && connection.queuedBytes < QUEUE_BYTES_MAX) {
      const size = Math.min(CHUNK_BYTES, bytes - stream.sentBytes);
      connection.send(stream.body.take(size));
      stream.sentBytes += size;
    }
    if (stream.sentBytes < bytes && connection.end === null) return;
    connection.close();
    this.#streams.delete(stream);
  }
}

export interface DownloadOptions {
  readonly client: Host;
  readonly server: Host;
  /** A multiple of 4. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly seed: number;
  readonly clock: () => number;
}

export class Download {
  receivedBytes = 0;
  isOpen = false;
  isDone = false;
  /** Why it will never be done. */
  lost = '';
  /** In the client's direction. */
  readonly tuple: Tuple;
  readonly #options: DownloadOptions;
  readonly #connection: TcpConnection;
  readonly #digest = createHash('sha256');
  #gap: Gap | null = null;

  constructor(options: DownloadOptions) {
    this.#options = options;
    const { client, server } = options;
    const events: TcpEvents = {
      onOpen: () => {
        this.isOpen = true;
      },
      onData: (bytes) => this.#receive(bytes),
      onEnd: () => {
        this.isDone = true;
        this.#connection.close();
      },
      onClosed: (how) => {
        if (!this.isDone) this.lost = how === 'reset' ? 'it was reset' : 'no answer came';
      },
    };
    const { connection, tuple } = client.connect(server.address, PORT, events);
    this.#connection = connection;
    this.tuple = tuple;
  }

  /** From 0 to 1. */
  get progress(): number {
    return this.receivedBytes / this.#options.bytes;
  }

  /** Nothing more will come, or has not for so long that it counts as lost. */
  get isOver(): boolean {
    const silenceMs = this.#gap?.silenceMs(this.#options.clock()) ?? 0;
    if (!this.isDone && silenceMs > GAP_MAX_MS) this.lost ||= 'nothing came any more';
    return this.isDone || this.lost !== '';
  }

  request(): void {
    const { bytes, seed, durationMs, clock } = this.#options;
    this.#gap = new Gap(clock());
    this.#connection.send(new TextEncoder().encode(`GET ${bytes} ${seed} ${durationMs}\n`));
  }

  /** The connection is not the one wanted. */
  abandon(): void {
    this.#connection.abort();
  }

  result(): TrafficResult {
    const failures = this.failures();
    return {
      name: 'download',
      opened: 1,
      survived: failures.length === 0 ? 1 : 0,
      reset: this.#connection.end === 'reset' ? 1 : 0,
      longestGapMs: Math.round(this.#gap?.longestMs ?? 0),
      note: `${megabytes(this.receivedBytes)}, ${this.#verdict()}`,
    };
  }

  failures(): string[] {
    const { bytes } = this.#options;
    if (!this.isDone) {
      const why = this.lost === '' ? 'it did not end' : this.lost;
      return [`the download broke off after ${megabytes(this.receivedBytes)}: ${why}`];
    }
    if (this.receivedBytes !== bytes) {
      return [`the download ended after ${this.receivedBytes} of ${bytes} bytes`];
    }
    if (!this.#isRight) return ['the download has a wrong SHA-256'];
    const gapMs = this.#gap!.longestMs;
    return gapMs > GAP_MAX_MS ? [`the download stood still for ${Math.round(gapMs)} ms`] : [];
  }

  get #isRight(): boolean {
    const { bytes, seed } = this.#options;
    return this.#digest.copy().digest('hex') === bodyDigest(seed, bytes);
  }

  #verdict(): string {
    if (!this.isDone) return 'incomplete';
    return this.#isRight ? 'SHA-256 right' : 'SHA-256 WRONG';
  }

  #receive(bytes: Uint8Array): void {
    this.receivedBytes += bytes.length;
    this.#digest.update(bytes);
    this.#gap?.answered(this.#options.clock());
  }
}

function megabytes(bytesCount: number): string {
  return `${(bytesCount / 1e6).toFixed(1)} MB`;
}
