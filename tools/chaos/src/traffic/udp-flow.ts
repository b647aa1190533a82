/** A socket that sends numbered datagrams, and watches that its outside endpoint stays the same. */
import { createSocket, type Socket } from 'node:dgram';
import { nowMs } from '../clock.ts';
import { type FlowStory, type Outcome, Silence } from './story.ts';
import { ECHO_PORT, readWords, sayWords } from './words.ts';

export interface UdpFlowOptions {
  readonly flow: string;
  readonly server: string;
  readonly client: string;
}

export class UdpFlow {
  readonly #options: UdpFlowOptions;
  readonly #socket: Socket;
  readonly #silence = new Silence();
  readonly #beganMs = nowMs();
  readonly #ended: (story: FlowStory) => void;
  #inside = '';
  #openedMs: number | null = null;
  #outside = '';
  #why = '';
  #changedMs: number | null = null;
  #sent = 0;
  #lastHeard = -1;
  #received = 0;
  #misdelivered = 0;

  constructor(options: UdpFlowOptions, ended: (story: FlowStory) => void) {
    this.#options = options;
    this.#ended = ended;
    this.#socket = createSocket('udp4');
    this.#socket.on('error', () => {});
    this.#socket.on('message', (data) => this.#hear(data.toString('latin1')));
    this.#socket.bind(0, () => {
      this.#inside = `${options.client}:${this.#socket.address().port}`;
    });
  }

  get waits(): boolean {
    return this.#lastHeard < this.#sent - 1;
  }

  /** Once at least. */
  get answered(): boolean {
    return this.#received > 0;
  }

  say(): void {
    if (this.#inside === '') return;
    const { flow, server } = this.#options;
    const words = { flow, sequence: this.#sent++, endpoint: this.#inside, padding: '' };
    this.#silence.said();
    this.#socket.send(sayWords(words), ECHO_PORT, server, () => {});
  }

  leave(): void {
    const waited = this.#silence.finish();
    this.#socket.close();
    const { flow } = this.#options;
    this.#ended({
      flow,
      kind: 'udp',
      inside: this.#inside,
      beganMs: this.#beganMs,
      openedMs: this.#openedMs,
      endedMs: nowMs(),
      heardMs: this.#silence.heardMs,
      ...(this.#changedMs === null ? {} : { changedMs: this.#changedMs }),
      outcome: this.#outcome(waited),
      why: this.#why,
      misdelivered: this.#misdelivered,
      lost: this.#sent - this.#received,
      gaps: this.#silence.gaps,
      longestGapMs: this.#silence.longestMs,
    });
  }

  #outcome(waited: boolean): Outcome {
    if (this.#openedMs === null) return 'refused';
    if (this.#why !== '') return 'reset';
    return waited ? 'silent' : 'survived';
  }

  #hear(text: string): void {
    const words = readWords(text);
    if (words?.flow !== this.#options.flow || words.sequence >= this.#sent) {
      this.#misdelivered++;
      return;
    }
    this.#openedMs ??= nowMs();
    if (this.#outside === '') this.#outside = words.endpoint;
    else if (this.#outside !== words.endpoint && this.#why === '') {
      this.#changedMs = nowMs();
      this.#why = `${this.#outside} became ${words.endpoint}`;
    }
    this.#received++;
    this.#lastHeard = Math.max(this.#lastHeard, words.sequence);
    this.#silence.heard(this.waits);
  }
}
