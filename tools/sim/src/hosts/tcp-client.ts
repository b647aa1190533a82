/**
 * The inside end of a TCP connection, as small as it can be: one message under way at a time, sent
 * again until it is answered or patience ends.
 *
 * ```
 *   opening --SYN-ACK--> talking --last gap--> closing --FIN-ACK--> over
 *      |                    |                     |
 *      +----- RST, or nobody answers -------------+--> over
 * ```
 */
import { ACK, FIN, type Reading, RST, SYN } from '../packet.ts';
import type { Timeline } from '../timeline.ts';
import { Ending, type Script } from './script.ts';
import { Word } from './words.ts';

const RETRANSMIT_MS = 1_000;
const TRIES_MAX = 6;

export interface ClientHost {
  send(script: Script, remote: number, control: number, word: Word, sequence: number): void;
  /** `lost`: the connection was established and nobody answers any more, or it was reset. */
  over(script: Script, how: 'ended' | 'refused' | 'reset' | 'silence'): void;
}

export class TcpClient {
  readonly script: Script;
  readonly #host: ClientHost;
  readonly #timeline: Timeline;
  #state: 'opening' | 'talking' | 'closing' | 'over' = 'opening';
  #message = 0;
  #waitingFor: Word | null = null;

  constructor(script: Script, host: ClientHost, timeline: Timeline) {
    this.script = script;
    this.#host = host;
    this.#timeline = timeline;
  }

  start(): void {
    this.#insist(SYN, Word.Syn, Word.SynAck);
  }

  /** The host crashed: nothing is known any more. */
  forget(): void {
    this.#state = 'over';
  }

  hear({ header, tag, sequence }: Reading): void {
    if (this.#state === 'over') return;
    if (header.control & RST) {
      // A gateway's reset answers our acknowledgement number, which is the conversation's.
      const ours = tag === null ? sequence === this.script.talk : tag.talk === this.script.talk;
      if (ours) this.#end(this.#state === 'opening' ? 'refused' : 'reset');
      return;
    }
    if (tag?.talk !== this.script.talk) return;
    if (tag.word === Word.Push) this.#say(ACK, Word.PushAck, tag.sequence);
    if (tag.word === Word.Fin) this.#say(ACK, Word.LastAck, tag.sequence);
    if (tag.word !== this.#waitingFor || tag.sequence !== this.#message) return;
    this.#waitingFor = null;
    if (this.#state === 'closing') this.#end('ended');
    else this.#next();
  }

  #next(): void {
    this.#state = 'talking';
    if (this.#message === 0) this.#say(ACK, Word.LastAck, 0);
    const gapMs = this.script.gapsMs[this.#message++];
    if (gapMs === undefined) this.#finish();
    else this.#timeline.after(gapMs, () => this.#insist(ACK, Word.Data, Word.Reply));
  }

  #finish(): void {
    switch (this.script.ending) {
      case Ending.Abort:
        this.#say(RST | ACK, Word.Reset, this.#message);
        this.#end('ended');
        return;
      case Ending.Vanish:
      case Ending.ServerAbort:
        this.#end('ended');
        return;
      default:
        this.#state = 'closing';
        this.#insist(FIN | ACK, Word.Fin, Word.FinAck);
    }
  }

  /** Sends until the answer comes. */
  #insist(control: number, word: Word, answer: Word): void {
    if (this.#state === 'over') return;
    this.#waitingFor = answer;
    this.#try(control, word, this.#message, 0);
  }

  #try(control: number, word: Word, message: number, tries: number): void {
    if (this.#state === 'over' || this.#waitingFor === null || this.#message !== message) return;
    if (tries >= TRIES_MAX) {
      this.#end('silence');
      return;
    }
    this.#say(control, word, message);
    const waitMs = RETRANSMIT_MS * 2 ** Math.min(tries, 4);
    this.#timeline.after(waitMs, () => this.#try(control, word, message, tries + 1));
  }

  #say(control: number, word: Word, sequence: number): void {
    this.#host.send(this.script, 0, control, word, sequence);
  }

  #end(how: 'ended' | 'refused' | 'reset' | 'silence'): void {
    this.#state = 'over';
    this.#host.over(this.script, how);
  }
}
