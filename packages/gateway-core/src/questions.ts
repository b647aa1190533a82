/**
 * Questions to the store that packets wait for: one per key, however many packets ask it.
 *
 * ```
 *            ask()                 answer: entry      -> its packets go on, the question is over
 *   packet ---------> asking ----- answer: no         -> resting for askAgainMs
 *   packet  (held)      ^    \---- no answer          -> resting for retryMs
 *   packet  (held)      |                                  |
 *                       +---- packets are waiting ---------+---- none: the question is over
 * ```
 *
 * A `no` that is remembered only limits how often the store is asked; it never answers a packet:
 * the flow may just have been opened elsewhere.
 *
 * Packets of flows that may exist outrank new ones: openings have bounds of their own, at most half
 * of those for all questions, so however many of them wait, there is a reserve that only the others
 * use. Within each bound no address can take all: see FairShare.
 *
 * ```
 *   questionsMax      |--------------------------------------------------|
 *   openingsMax       |------------|  openings        the rest: flows that may exist
 *   heldBytesMax      |--------------------------------------------------|
 *   openingBytesMax   |------------------------|
 * ```
 */
import { FairShare } from './fair-share.ts';
import type { FrameMemory, Side } from './frame.ts';

export interface HeldPacket {
  readonly side: Side;
  readonly memory: FrameMemory;
  readonly sinceMs: number;
}

/** For whom a question is asked. */
export interface Asker {
  /** The packet's source, inside and outside addresses told apart. */
  readonly taker: number;
  /** Whether the packet begins a new flow, for all that is known here. */
  readonly opens: boolean;
}

export interface Question extends Asker {
  readonly key: string;
  readonly held: HeldPacket[];
  /** Not to be asked again before; 0 while an answer is awaited. */
  restingUntilMs: number;
  /** When the question was sent whose answer was the first `no`; Infinity before that. */
  absentSinceMs: number;
}

export interface HoldLimits {
  readonly questionsMax: number;
  readonly openingsMax: number;
  readonly heldPerQuestionMax: number;
  readonly heldBytesMax: number;
  readonly openingBytesMax: number;
}

/** What there is no room for. */
export type Full = 'questionsFull' | 'openingsFull' | 'holdFull' | 'openingBytesFull';

export class Questions {
  readonly #limits: HoldLimits;
  readonly #byKey = new Map<string, Question>();
  readonly #shares: FairShare;
  readonly #openings: FairShare;
  readonly #openingBytes: FairShare;
  #heldBytes = 0;

  constructor(limits: HoldLimits) {
    this.#limits = limits;
    this.#shares = new FairShare(limits.questionsMax);
    const { questionsMax, openingsMax, heldBytesMax, openingBytesMax } = limits;
    this.#openings = new FairShare(Math.min(openingsMax, questionsMax / 2));
    this.#openingBytes = new FairShare(Math.min(openingBytesMax, heldBytesMax / 2));
  }

  get size(): number {
    return this.#byKey.size;
  }

  get openings(): number {
    return this.#openings.used;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  find(key: string): Question | undefined {
    return this.#byKey.get(key);
  }

  add(key: string, { taker, opens }: Asker): Question | Full {
    if (!this.#shares.hasRoom(taker, 1)) return 'questionsFull';
    if (opens && !this.#openings.hasRoom(taker, 1)) return 'openingsFull';
    const absentSinceMs = Number.POSITIVE_INFINITY;
    const question: Question = { key, taker, opens, held: [], restingUntilMs: 0, absentSinceMs };
    this.#shares.take(taker, 1);
    if (opens) this.#openings.take(taker, 1);
    this.#byKey.set(key, question);
    return question;
  }

  /** Why a packet of so many bytes can't wait for the answer; null: it can. */
  whyFull({ held, taker, opens }: Question, bytes: number): Full | null {
    const { heldPerQuestionMax, heldBytesMax } = this.#limits;
    if (held.length >= heldPerQuestionMax) return 'holdFull';
    if (this.#heldBytes + bytes > heldBytesMax) return 'holdFull';
    return opens && !this.#openingBytes.hasRoom(taker, bytes) ? 'openingBytesFull' : null;
  }

  /** The packet waits; ask whyFull first. */
  hold(question: Question, packet: HeldPacket): void {
    const bytes = packet.memory.bytes.length;
    question.held.push(packet);
    this.#heldBytes += bytes;
    if (question.opens) this.#openingBytes.take(question.taker, bytes);
  }

  /** Takes the packets that wait for it, in the order of arrival. */
  takeHeld(question: Question): HeldPacket[] {
    const held = question.held.splice(0);
    for (const { memory } of held) {
      this.#heldBytes -= memory.bytes.length;
      if (question.opens) this.#openingBytes.giveBack(question.taker, memory.bytes.length);
    }
    return held;
  }

  remove(question: Question): void {
    this.#byKey.delete(question.key);
    this.#shares.giveBack(question.taker, 1);
    if (question.opens) this.#openings.giveBack(question.taker, 1);
  }

  /** Those whose rest is over. */
  *rested(nowMs: number): Generator<Question> {
    for (const question of this.#byKey.values()) {
      if (question.restingUntilMs !== 0 && nowMs >= question.restingUntilMs) yield question;
    }
  }
}
