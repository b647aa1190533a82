/**
 * Which cached entries may be used without asking (I2), shard by shard.
 *
 * An entry is fresh within the cache lease of its own confirmation. Where there are replicas, the
 * shard's feed must have been read within it, too: only reads wait for replicas, so a master that
 * was replaced answers none, and what it confirms is nothing to go by. Beyond that the feed keeps
 * an entry fresh: once all news was read, everything confirmed since the reading began is as good
 * as the moment the last read was sent.
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
import { type ClusterConfig, SHARDS } from '@flowstore/flow';

export class Freshness {
  readonly #cacheLeaseMs: number;
  /** When the last read was sent that was answered, whatever it said. */
  readonly #heardMs = new Float64Array(SHARDS).fill(Number.NEGATIVE_INFINITY);
  readonly #coveredSinceMs = new Float64Array(SHARDS).fill(Number.POSITIVE_INFINITY);
  readonly #freshFromMs = new Float64Array(SHARDS).fill(Number.NEGATIVE_INFINITY);
  /** When the last read was answered that told of ends or openings. */
  readonly #toldMs = new Float64Array(SHARDS).fill(Number.NEGATIVE_INFINITY);
  readonly #formerSinceMs = new Float64Array(SHARDS).fill(Number.POSITIVE_INFINITY);
  readonly #formerFromMs = new Float64Array(SHARDS).fill(Number.NEGATIVE_INFINITY);
  #waivedUntilMs = Number.NEGATIVE_INFINITY;

  constructor({ cacheLeaseMs, minReplicas }: ClusterConfig) {
    this.#cacheLeaseMs = cacheLeaseMs;
    // The one server that there is confirms by whatever it answers.
    if (minReplicas === 0) this.#heardMs.fill(Number.POSITIVE_INFINITY);
  }

  /** @param isTold whether the feed tells of what happened to the entry since */
  isFresh(shard: number, confirmedMs: number, nowMs: number, isTold = true): boolean {
    const since = nowMs - this.#cacheLeaseMs;
    // What was opened without the store has no confirmation to outlive.
    if (confirmedMs === Number.POSITIVE_INFINITY) return true;
    if (confirmedMs > since && this.isHeard(shard, nowMs)) return true;
    if (nowMs < this.#waivedUntilMs) return true;
    if (!isTold) return false;
    if (confirmedMs >= this.#coveredSinceMs[shard]! && this.#freshFromMs[shard]! > since)
      return true;
    return confirmedMs >= this.#formerSinceMs[shard]! && this.#formerFromMs[shard]! > since;
  }

  /** Whether what the store says of the shard counts: a read of its feed did, within the lease. */
  isHeard(shard: number, nowMs: number): boolean {
    return this.#heardMs[shard]! > nowMs - this.#cacheLeaseMs;
  }

  /** Whether that was so at `sinceMs`: a read was answered that was sent no earlier. */
  isHeardSince(shard: number, sinceMs: number): boolean {
    return this.#heardMs[shard]! >= sinceMs;
  }

  /** A read that was sent at `sentMs` was answered. */
  hear(shard: number, sentMs: number): void {
    this.#heardMs[shard] = Math.max(this.#heardMs[shard]!, sentMs);
  }

  /** Whether the feed tells of whatever happens to an entry that was confirmed then. */
  isCovered(shard: number, confirmedMs: number): boolean {
    return confirmedMs >= this.#coveredSinceMs[shard]!;
  }

  /** The feed told of something that ended, or was opened anew. */
  tell(shard: number, answeredMs: number): void {
    this.#toldMs[shard] = answeredMs;
  }

  /**
   * Whether what was asked at `sentMs` may be older than the feed's last news, for which there was
   * no row then: no later news says that the answer is stale. It is good for its own lease.
   */
  isOvertaken(shard: number, sentMs: number): boolean {
    return this.#toldMs[shard]! >= sentMs;
  }

  /** A read that was sent at `sentMs` heard the last of the news. */
  renew(shard: number, sentMs: number): void {
    this.#freshFromMs[shard] = Math.max(this.#freshFromMs[shard]!, sentMs);
  }

  /** As of `atMs` nobody can have been given what was nobody's at any read after `sinceMs`. */
  vouch(sinceMs: number, atMs: number): void {
    for (const fromMs of [this.#heardMs, this.#freshFromMs, this.#formerFromMs]) {
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
