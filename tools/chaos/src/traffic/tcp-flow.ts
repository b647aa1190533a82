/** A TCP connection that says a line now and then, and expects exactly that line back. */
import { createConnection, type Socket } from 'node:net';
import { nowMs } from '../clock.ts';
import { type FlowClass, type FlowStory, type Outcome, Silence } from './story.ts';
import { ECHO_PORT, readWords, sayWords } from './words.ts';

const CONNECT_MS_MAX = 10_000;
/** More than that unanswered says nothing new: it only makes the backlog longer. */
const UNANSWERED_MAX = 16;

export interface TcpFlowOptions {
  readonly flow: string;
  readonly kind: FlowClass;
  readonly server: string;
  readonly padding: string;
}

export class TcpFlow {
  readonly #options: TcpFlowOptions;
  readonly #socket: Socket;
  readonly #silence = new Silence();
  readonly #beganMs = nowMs();
  readonly #ended: (story: FlowStory) => void;
  #openedMs: number | null = null;
  #inside = '';
  #rest = '';
  #sent = 0;
  #received = 0;
  #misdelivered = 0;
  #why = '';
  #leaving = false;
  #told = false;
  /** Called when all that was said is answered. */
  onAnswered: () => void = () => {};

  constructor(options: TcpFlowOptions, ended: (story: FlowStory) => void) {
    this.#options = options;
    this.#ended = ended;
    const socket = createConnection({ host: options.server, port: ECHO_PORT, noDelay: true });
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.setTimeout(CONNECT_MS_MAX, () => socket.destroy(new Error('connect timed out')));
    socket.on('connect', () => {
      socket.setTimeout(0);
      this.#inside = `${socket.localAddress}:${socket.localPort}`;
      this.#openedMs = nowMs();
      this.say();
    });
    socket.on('data', (text: string) => this.#hear(text));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#why = error.code ?? error.message;
    });
    socket.on('close', () => this.#tell());
  }

  get waits(): boolean {
    return this.#received < this.#sent;
  }

  /** Once at least. */
  get answered(): boolean {
    return this.#received > 0;
  }

  say(): void {
    if (this.#openedMs === null || this.#leaving) return;
    if (this.#sent - this.#received >= UNANSWERED_MAX) return;
    const { flow, padding } = this.#options;
    const words = { flow, sequence: this.#sent++, endpoint: this.#inside, padding };
    this.#silence.said();
    this.#socket.write(`${sayWords(words)}\n`, 'latin1');
  }

  /** Ends it in order, once it is answered or at once. */
  leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    if (this.#openedMs === null || this.waits) this.#socket.destroy();
    else this.#socket.end(() => this.#tell());
  }

  #hear(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#check(line);
    if (lines.length > 0 && !this.waits) this.onAnswered();
  }

  #check(line: string): void {
    const words = readWords(line);
    const { flow, padding } = this.#options;
    const mine = words?.flow === flow && words.sequence === this.#received;
    if (!mine || words.padding !== padding) {
      this.#misdelivered++;
      return;
    }
    this.#received++;
    this.#silence.heard(this.waits);
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    const waited = this.#silence.finish();
    const { flow, kind } = this.#options;
    this.#ended({
      flow,
      kind,
      inside: this.#inside,
      beganMs: this.#beganMs,
      openedMs: this.#openedMs,
      endedMs: nowMs(),
      heardMs: this.#silence.heardMs,
      outcome: this.#outcome(waited),
      why: this.#why,
      misdelivered: this.#misdelivered,
      lost: 0,
      gaps: this.#silence.gaps,
      longestGapMs: this.#silence.longestMs,
    });
  }

  #outcome(waited: boolean): Outcome {
    if (this.#openedMs === null) return 'refused';
    if (!this.#leaving) return 'reset';
    return waited ? 'silent' : 'survived';
  }
}
