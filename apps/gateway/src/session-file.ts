/**
 * Lines into a file that is put aside when it is large: `sessions.jsonl`, `sessions.jsonl.1`, and
 * so on. Nobody waits for it: at its limit, or where the disk is full, lines are refused, and the
 * file is opened anew a little later.
 */
import { basename, dirname } from 'node:path';
import { createStream, type RotatingFileStream } from 'rotating-file-stream';

export interface SessionFileOptions {
  readonly path: string;
  readonly fileBytesMax: number;
  readonly filesMax: number;
  /** Told once per failure. */
  readonly onError: (error: Error) => void;
  readonly nowMs: () => number;
}

/** Bytes that wait to be written. */
export const SESSION_BUFFER_BYTES_MAX = 16_777_216;
const OPEN_AGAIN_MS = 1_000;

export class SessionFile {
  readonly #options: SessionFileOptions;
  #stream: RotatingFileStream | null = null;
  #openAtMs = 0;

  constructor(options: SessionFileOptions) {
    this.#options = options;
  }

  /** False where there is no room, now or any more. */
  write(text: string): boolean {
    const stream = this.#stream ?? this.#open();
    if (stream === null || stream.writableLength + text.length > SESSION_BUFFER_BYTES_MAX) {
      return false;
    }
    stream.write(text);
    return true;
  }

  /** Resolves when all is written, or can't be. */
  async close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    this.#openAtMs = Number.POSITIVE_INFINITY;
    if (stream === null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    stream.once('close', resolve);
    stream.once('error', () => resolve());
    stream.end(() => resolve());
    await promise;
  }

  #open(): RotatingFileStream | null {
    const { path, fileBytesMax, filesMax, nowMs, onError } = this.#options;
    if (nowMs() < this.#openAtMs) return null;
    const size = `${fileBytesMax}B` as const;
    const stream = createStream(basename(path), { path: dirname(path), size, rotate: filesMax });
    const fail = (error: Error) => {
      if (this.#stream !== stream) return;
      this.#stream = null;
      this.#openAtMs = nowMs() + OPEN_AGAIN_MS;
      onError(error);
      stream.destroy();
    };
    stream.on('error', fail);
    stream.on('warning', fail);
    this.#stream = stream;
    return stream;
  }
}
