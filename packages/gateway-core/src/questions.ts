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
 */
import type { FrameMemory, Side } from './frame.ts';

export interface HeldPacket {
  readonly side: Side;
  readonly memory: FrameMemory;
  readonly sinceMs: number;
}

export interface Question {
  readonly key: string;
  readonly held: HeldPacket[];
  /** Not to be asked again before; 0 while an answer is awaited. */
  restingUntilMs: number;
}

export interface HoldLimits {
  readonly questionsMax: number;
  readonly heldPerQuestionMax: number;
  readonly heldBytesMax: number;
}

export class Questions {
  readonly #limits: HoldLimits;
  readonly #byKey = new Map<string, Question>();
  #heldBytes = 0;

  constructor(limits: HoldLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byKey.size;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  find(key: string): Question | undefined {
    return this.#byKey.get(key);
  }

  /** A new question; null at the limit. */
  add(key: string): Question | null {
    if (this.#byKey.size >= this.#limits.questionsMax) return null;
    const question: Question = { key, held: [], restingUntilMs: 0 };
    this.#byKey.set(key, question);
    return question;
  }

  hasRoom(question: Question, bytes: number): boolean {
    return (
      question.held.length < this.#limits.heldPerQuestionMax &&
      this.#heldBytes + bytes <= this.#limits.heldBytesMax
    );
  }

  /** The packet waits; ask hasRoom first. */
  hold(question: Question, packet: HeldPacket): void {
    question.held.push(packet);
    this.#heldBytes += packet.memory.bytes.length;
  }

  /** Takes the packets that wait for it, in the order of arrival. */
  takeHeld(question: Question): HeldPacket[] {
    const held = question.held.splice(0);
    for (const { memory } of held) this.#heldBytes -= memory.bytes.length;
    return held;
  }

  remove(question: Question): void {
    this.#byKey.delete(question.key);
  }

  /** Those whose rest is over. */
  *rested(nowMs: number): Generator<Question> {
    for (const question of this.#byKey.values()) {
      if (question.restingUntilMs !== 0 && nowMs >= question.restingUntilMs) yield question;
    }
  }
}
