/** What became of one flow: written while it lives, told when it ends. */
import { nowMs } from '../clock.ts';

export const FLOW_CLASSES = ['trickle', 'idle', 'bulk', 'udp', 'short', 'dns'] as const;
export type FlowClass = (typeof FLOW_CLASSES)[number];

/**
 * - survived: it lived until we ended it, and its last word was answered
 * - refused: it never opened
 * - reset: it was open and broke; of UDP: its outside endpoint changed
 * - silent: it was open, and its last word was not answered
 */
export type Outcome = 'survived' | 'refused' | 'reset' | 'silent';

export interface FlowStory {
  readonly flow: string;
  readonly kind: FlowClass;
  /** Where it comes from, once it has a port. */
  readonly inside: string;
  /** When it was begun, and when it was open (its first answer); clock.ts. */
  readonly beganMs: number;
  readonly openedMs: number | null;
  readonly endedMs: number;
  /** When it was answered last. */
  readonly heardMs: number | null;
  /** Of UDP: when its outside endpoint changed first. */
  readonly changedMs?: number;
  readonly outcome: Outcome;
  readonly why: string;
  readonly misdelivered: number;
  /** Of datagrams. */
  readonly lost: number;
  /** Times in which it waited for an answer, from `GAP_TOLD_MS` on: begin and end. */
  readonly gaps: readonly (readonly [number, number])[];
  /** The longest of all. */
  readonly longestGapMs: number;
}

/** Shorter ones say nothing on a busy machine. */
export const GAP_TOLD_MS = 500;
const GAPS_MAX = 64;

/** Silence: from the first word without an answer to the next answer, however often it is said. */
export class Silence {
  #sinceMs: number | null = null;
  readonly gaps: [number, number][] = [];
  longestMs = 0;
  heardMs: number | null = null;

  said(): void {
    this.#sinceMs ??= nowMs();
  }

  /** `waits`: something else is still unanswered. */
  heard(waits: boolean): void {
    const now = nowMs();
    this.heardMs = now;
    this.#end(now);
    this.#sinceMs = waits ? now : null;
  }

  /** Whether it still waited. */
  finish(): boolean {
    const waited = this.#sinceMs !== null;
    this.#end(nowMs());
    this.#sinceMs = null;
    return waited;
  }

  #end(now: number): void {
    if (this.#sinceMs === null) return;
    const lasted = now - this.#sinceMs;
    this.longestMs = Math.max(this.longestMs, lasted);
    if (lasted >= GAP_TOLD_MS && this.gaps.length < GAPS_MAX) this.gaps.push([this.#sinceMs, now]);
  }
}
