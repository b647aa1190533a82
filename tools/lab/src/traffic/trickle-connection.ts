// One connection of the trickle. Its payloads name it and count up; the only right echo is the
// next one in order. Anything else that arrives is misdelivered.
import { createConnection, type Socket } from 'node:net';
import { GapMeter } from './gap.ts';
import { decodePayload, encodePayload } from './payload.ts';

export type TrickleOptions = {
  host: string;
  port: number;
  run: string;
  id: number;
  source?: string;
};

/**
 * - new: not tried yet, or being opened
 * - refused: never opened
 * - open: lives
 * - reset: had been open, and ended without being told to
 */
export type TrickleState = 'new' | 'refused' | 'open' | 'reset';

// More than this unanswered says nothing new: it only makes the backlog longer.
const unansweredMax = 64;
const lineCharsMax = 4_096;

export class TrickleConnection {
  readonly #options: TrickleOptions;
  #socket: Socket | undefined;
  #gap: GapMeter | undefined;
  #rest = '';
  #sentAtMs: number[] = [];
  state: TrickleState = 'new';
  why = '';
  sent = 0;
  received = 0;
  misdelivered = 0;
  longestEchoMs = 0;

  constructor(options: TrickleOptions) {
    this.#options = options;
  }

  get awaitsEcho(): boolean {
    return this.state === 'open' && this.received < this.sent;
  }

  /** Between two echoes, the interval between payloads included; up to now while it lives. */
  longestGapMs(nowMs: number): number {
    return this.#gap?.longestMs(this.state === 'open' ? nowMs : 0) ?? 0;
  }

  /** Resolves once it is open or refused; never rejects. */
  open(timeoutMs: number): Promise<void> {
    const { host, port, source } = this.#options;
    return new Promise((resolve) => {
      const socket = createConnection({ host, port, ...(source ? { localAddress: source } : {}) });
      this.#socket = socket;
      socket.setTimeout(timeoutMs, () => socket.destroy(new Error('connect timed out')));
      socket.setNoDelay(true);
      socket.setEncoding('latin1');
      socket.on('connect', () => {
        socket.setTimeout(0);
        this.state = 'open';
        this.#gap = new GapMeter(performance.now());
        resolve();
      });
      socket.on('data', (text: string) => this.#hear(text, performance.now()));
      socket.on('error', (error: NodeJS.ErrnoException) => {
        this.why = error.code ?? error.message;
      });
      socket.on('close', () => {
        this.#gap?.mark(performance.now());
        this.state = this.state === 'open' ? 'reset' : 'refused';
        if (this.why === '') this.why = 'closed by the peer';
        resolve();
      });
    });
  }

  send(nowMs: number): void {
    if (this.state !== 'open' || this.sent - this.received >= unansweredMax) return;
    const { run, id } = this.#options;
    const payload = encodePayload({ run, connection: id, sequence: this.sent++ });
    // The gap starts with the first payload: nothing can come back before.
    if (this.sent === 1) this.#gap = new GapMeter(nowMs);
    this.#sentAtMs.push(nowMs);
    this.#socket?.write(`${payload}\n`, 'latin1');
  }

  #hear(text: string, nowMs: number): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() as string).slice(-lineCharsMax);
    for (const line of lines) this.#check(line, nowMs);
  }

  #check(line: string, nowMs: number): void {
    const { run, id } = this.#options;
    const heard = decodePayload(line);
    const mine = heard?.run === run && heard.connection === id;
    if (!mine || heard.sequence !== this.received) {
      this.misdelivered++;
      return;
    }
    this.received++;
    this.longestEchoMs = Math.max(this.longestEchoMs, nowMs - (this.#sentAtMs.shift() ?? nowMs));
    this.#gap?.mark(nowMs);
  }
}
