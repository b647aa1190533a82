/**
 * Reads the shards' feeds: the gateway's heartbeat, and what keeps its cache fresh. Each shard is
 * read every heartbeat, spread over it; while there is more to read, at once.
 *
 * A shard that went into grace answers a gap, and with it all events are passed over that tell what
 * sweeps took because nobody was there to report it. That is no reason to drop what is held: it is
 * confirmed, and put back.
 */
import { type ClusterConfig, ipv4ToNumber, OUTSIDE_DOMAIN, SHARDS } from '@flowstore/flow';
import type { FeedEvent, FeedResult, FeedTail } from '@flowstore/flow-store';
import { NONE } from '@flowstore/flow-table';
import type { GatewayCounters } from './counters.ts';
import { type FlowCache, PROVISIONAL } from './flow-cache.ts';
import type { GatewayLimits } from './limits.ts';
import type { StoreOutbox } from './store-outbox.ts';

export type LeaseEvent = FeedEvent & { readonly kind: 'lease' };

export interface FeedReaderOptions {
  readonly config: ClusterConfig;
  readonly limits: GatewayLimits;
  readonly cache: FlowCache;
  readonly outbox: StoreOutbox;
  readonly counters: GatewayCounters;
  readonly incarnation: string;
  /** Uniform 32-bit numbers. */
  readonly random: () => number;
  readonly nowMs: number;
  /** Told of a gap once the feed has begun anew: what is cached has to be confirmed. */
  readonly onGap: (shard: number, nowMs: number) => void;
  /** Told when a shard went into grace: leases have to be renewed before somebody else asks. */
  readonly onGrace: (shard: number) => void;
  /** Reports a flow: somebody saw its end, while more was seen here than was told. */
  readonly report: (slot: number, nowMs: number) => void;
  /** Told who leases a block of ports from then on. */
  readonly onLease: (event: LeaseEvent) => void;
}

export class FeedReader {
  readonly #options: FeedReaderOptions;
  readonly #last: (FeedTail | null)[] = new Array<FeedTail | null>(SHARDS).fill(null);
  /** When each shard is read next; Infinity while an answer is awaited. */
  readonly #readAtMs = new Float64Array(SHARDS);

  constructor(options: FeedReaderOptions) {
    this.#options = options;
    this.#readAtMs.fill(options.nowMs);
  }

  tick(nowMs: number): void {
    for (let shard = 0; shard < SHARDS; shard++) {
      if (nowMs >= this.#readAtMs[shard]!) this.#read(shard, nowMs);
    }
  }

  /** Before it is its turn: as soon as after a read that failed. */
  readSoon(shard: number, nowMs: number): void {
    const readAtMs = this.#readAtMs[shard]!;
    if (readAtMs === Number.POSITIVE_INFINITY) return;
    this.#readAtMs[shard] = Math.min(readAtMs, nowMs + this.#options.limits.retryMs);
  }

  #read(shard: number, nowMs: number): void {
    const { outbox, incarnation, random, limits } = this.#options;
    const queued = outbox.ask(
      'feed',
      () => ({ shard, incarnation, last: this.#last[shard]!, nonce: random() }),
      (result, sentMs, answeredMs) => this.#onAnswer(shard, result, sentMs, answeredMs),
    );
    this.#readAtMs[shard] = queued ? Number.POSITIVE_INFINITY : nowMs + limits.retryMs;
  }

  #onAnswer(shard: number, result: FeedResult | null, sentMs: number, nowMs: number): void {
    const { cache, config, counters, limits, onGap, onGrace, random } = this.#options;
    if (result === null) {
      this.#readAtMs[shard] = nowMs + limits.retryMs;
      return;
    }
    cache.freshness.hear(shard, sentMs);
    const isFirst = this.#last[shard] === null;
    this.#last[shard] = result.tail;
    if (result.kind === 'gap') {
      if (result.inGrace) onGrace(shard);
      cache.freshness.begin(shard, nowMs);
      // The first read has to answer so: there was nothing to miss.
      if (!isFirst) counters.feedGaps++;
      onGap(shard, nowMs);
      // Soon again: only a read that finds its place makes anything fresh. Spread from here on.
      this.#readAtMs[shard] = nowMs + (random() / 2 ** 32) * config.heartbeatMs;
      return;
    }
    for (const event of result.events) this.#apply(event, nowMs);
    if (result.events.some(({ kind }) => kind === 'void')) cache.freshness.tell(shard, nowMs);
    if (result.more) {
      this.#read(shard, nowMs);
      return;
    }
    cache.freshness.renew(shard, sentMs);
    this.#readAtMs[shard] = sentMs + config.heartbeatMs;
  }

  #apply(event: FeedEvent, nowMs: number): void {
    const { cache, counters } = this.#options;
    const { table } = cache;
    counters.feedEvents++;
    if (event.kind === 'lease') {
      this.#options.onLease(event);
      return;
    }
    const { protocol, outside, remote } = event;
    const address = ipv4ToNumber(outside.address);
    if (event.kind === 'void') {
      for (const slot of cache.slotsOf(protocol, address, outside.port, remote, nowMs)) {
        if (table.generation(slot) >= event.below) continue;
        // Its own opening may be what the event is about: the answer to the next one will say.
        if (table.marks(slot) & PROVISIONAL) continue;
        counters.flowsVoided++;
        table.remove(slot);
      }
      return;
    }
    const realm = ((OUTSIDE_DOMAIN << 8) | protocol) >>> 0;
    const ports = ((event.remote.port << 16) | outside.port) >>> 0;
    const slot = table.find(realm, ipv4ToNumber(event.remote.address), address, ports, nowMs);
    if (slot === NONE) return;
    // The store waits the short timeout now, for all that it knows: the next packet is reported at
    // once, and one that comes after so long has to ask first.
    const isLate = cache.hasNews(slot) && cache.lifetimes.isLateForClosing(slot);
    table.setTouchDueMs(slot, nowMs);
    if (isLate) this.#options.report(slot, nowMs);
    const endMs = nowMs + this.#options.config.timeouts.tcpClosingMs;
    if (endMs < table.deadlineMs(slot)) table.extend(slot, endMs);
  }
}
