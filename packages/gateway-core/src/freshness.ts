/**
 * Which cached entries may be used without asking (I2), shard by shard.
 *
 * An entry is fresh within the cache lease of its own confirmation. Beyond that the feed keeps it
 * fresh: once all news was read, everything confirmed since the reading began is as good as the
 * moment the last read was sent.
 *
 * ```
 *            gap                    read     read     read, all news heard
 *   ----------|----------------------|--------|--------|---------------------> time
 *             |<- covered since                        |<- fresh from
 *   entries confirmed in here live on with every read --^, until freshFrom + cacheLease
 * ```
 *
 * A gap begins anew. What was covered before stays usable until the lease of the last good read
 * runs out, and is confirmed in the background meanwhile.
 *
 * While nobody at all reaches the store, that is as good as a read: outage.ts says when and why.
 */
import { SHARDS } from '@flowstore/flow';

export class Freshness {
  readonly #cacheLeaseMs: number;
  readonly #coveredSinceMs = new Float64Array(SHARDS).fill(Number.POSITIVE_INFINITY);
  readonly #freshFromMs = new Float64Array(SHARDS).fill(Number.NEGATIVE_INFINITY);
  readonly #formerSinceMs = new Float64Array(SHARDS).fill(Number.POSITIVE_INFINITY);
  readonly #formerFromMs = new Float64Array(SHARDS).fill(Number.NEGATIVE_INFINITY);
  #waivedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(cacheLeaseMs: number) {
    this.#cacheLeaseMs = cacheLeaseMs;
  }

  isFresh(shard: number, confirmedMs: number, nowMs: number): boolean {
    const since = nowMs - this.#cacheLeaseMs;
    if (confirmedMs > since) return true;
    if (confirmedMs >= this.#coveredSinceMs[shard]! && this.#freshFromMs[shard]! > since)
      return true;
    if (confirmedMs >= this.#formerSinceMs[shard]! && this.#formerFromMs[shard]! > since)
      return true;
    return nowMs < this.#waivedUntilMs;
  }

  /** Whether the feed tells of whatever happens to an entry that was confirmed then. */
  isCovered(shard: number, confirmedMs: number): boolean {
    return confirmedMs >= this.#coveredSinceMs[shard]!;
  }

  /** A read that was sent at `sentMs` heard the last of the news. */
  renew(shard: number, sentMs: number): void {
    this.#freshFromMs[shard] = Math.max(this.#freshFromMs[shard]!, sentMs);
  }

  /** As of `atMs` nobody can have been given what was nobody's at any read after `sinceMs`. */
  vouch(sinceMs: number, atMs: number): void {
    for (const fromMs of [this.#freshFromMs, this.#formerFromMs]) {
      for (let shard = 0; shard < SHARDS; shard++) {
        if (fromMs[shard]! > sinceMs) fromMs[shard] = Math.max(fromMs[shard]!, atMs);
      }
    }
  }

  /** Everything may be used until then, whosever it is (policy). */
  waive(untilMs: number): void {
    this.#waivedUntilMs = untilMs;
  }

  /**
   * The feed does not have what was heard last. An entry is covered if the request that confirmed
   * it left after this answer came: then the store executed it after the read.
   */
  begin(shard: number, answeredMs: number): void {
    this.#formerSinceMs[shard] = this.#coveredSinceMs[shard]!;
    this.#formerFromMs[shard] = this.#freshFromMs[shard]!;
    this.#coveredSinceMs[shard] = answeredMs;
    this.#freshFromMs[shard] = Number.NEGATIVE_INFINITY;
  }
}
