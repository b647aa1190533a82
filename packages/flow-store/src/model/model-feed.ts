/**
 * A shard's feed in the model: batches of events, each with an id that grows and a tag that tells
 * it from any other batch of the same id. Trimmed by time.
 *
 * ```
 *   trimmed ...  | batch | batch | batch |  <- tail
 *                          ^ last heard: what comes after it is answered
 * ```
 */
import { stableHash } from '@flowstore/flow';
import {
  FEED_BATCHES_MAX,
  type FeedEvent,
  type FeedRequest,
  type FeedResult,
  type FeedTail,
} from '../contract.ts';

/** A read's answer, but for what the shard adds to it. */
export type FeedNews =
  | Omit<FeedResult & { kind: 'events' }, 'inGrace'>
  | Omit<FeedResult & { kind: 'gap' }, 'inGrace'>;

type BatchTail = Omit<FeedTail, 'grace'>;

interface Batch {
  readonly tail: BatchTail;
  readonly atMs: number;
  readonly events: readonly FeedEvent[];
}

export class ModelFeed {
  #batches: Batch[] = [];
  #tail: BatchTail | null = null;

  copyFrom(other: ModelFeed): void {
    this.#batches = [...other.#batches];
    this.#tail = other.#tail;
  }

  append(events: readonly FeedEvent[], nowMs: number, keepMs: number): void {
    // By age, but never the last batch before this instant, which is what attentive readers heard.
    const isOld = () => {
      const [first, second] = this.#batches;
      return second !== undefined && second.atMs < nowMs && first!.atMs < nowMs - keepMs;
    };
    while (isOld()) this.#batches.shift();
    // The tag is the content's: two masters that write different events under one id differ in it.
    const tag = stableHash(new TextEncoder().encode(JSON.stringify(events)));
    this.#push({ tail: { id: nextId(this.#tail, nowMs), tag }, atMs: nowMs, events });
  }

  /** @param grace the shard's last grace, see FeedTail */
  read({ last, nonce }: FeedRequest, grace: number, nowMs: number): FeedNews {
    // Where it begins nothing is known of before.
    const end = this.#tail ?? this.#begin(nonce, nowMs);
    const known = last !== null && last.grace === grace ? last : null;
    if (known !== null && isSame(known, end)) {
      return { kind: 'events', events: [], tail: known, more: false };
    }
    const heard = known === null ? -1 : this.#batches.findIndex(({ tail }) => isSame(tail, known));
    if (heard < 0) return { kind: 'gap', tail: { ...end, grace } };
    const news = this.#batches.slice(heard + 1, heard + 1 + FEED_BATCHES_MAX);
    return {
      kind: 'events',
      events: news.flatMap(({ events }) => events),
      tail: { ...news.at(-1)!.tail, grace },
      more: !isSame(news.at(-1)!.tail, end),
    };
  }

  #begin(tag: number, nowMs: number): BatchTail {
    return this.#push({ tail: { id: nextId(null, nowMs), tag }, atMs: nowMs, events: [] });
  }

  #push(batch: Batch): BatchTail {
    this.#batches.push(batch);
    this.#tail = batch.tail;
    return batch.tail;
  }
}

function isSame(a: BatchTail, b: BatchTail): boolean {
  return a.id === b.id && a.tag === b.tag;
}

/** As Redis streams do it: ms, and a sequence number within them; never back. */
function nextId(tail: BatchTail | null, nowMs: number): string {
  const [lastMs = 0, sequence = 0] = (tail?.id ?? '0-0').split('-').map(Number);
  return nowMs > lastMs ? `${nowMs}-0` : `${lastMs}-${sequence + 1}`;
}
