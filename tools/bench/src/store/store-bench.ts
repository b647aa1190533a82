/**
 * `bench store`: what each operation of the flow store costs, beside the floor of its server.
 *
 * ```
 * for TCP, then UDP:   fill     every shard: lease, open; floor         -> open, bytes per flow
 *                      ask      even shards: find, touch, close; floor
 *                      sweep    odd shards, after all deadlines
 * with UDP's flows:    a single find under load, before they are swept
 * at the end:          sixteen readers of the feeds, told by openings, and by the feed's part alone
 * ```
 *
 * A shard is a round: what one costs is measured beside the floor of the same second.
 */
import { SHARDS, TCP, UDP } from '@flowstore/flow';
import { type BenchFlow, FLOWS_PER_SHARD_MAX, flowsOfShard, numbersByShard } from './endpoints.ts';
import { type FeedFigures, measureFeed } from './feed.ts';
import { type FeedAloneFigures, measureFeedAlone } from './feed-alone.ts';
import { type Floor, fillFloor, measureFloor } from './floor.ts';
import { type Latency, measureLatency } from './latency.ts';
import {
  close,
  type FoundFlow,
  findInside,
  findOutside,
  INCARNATION,
  inBatches,
  open,
  openRequest,
  touch,
} from './operations.ts';
import { type RedisBenchmark, runRedisBenchmark } from './redis-benchmark.ts';
import { BATCH_SIZES, type BatchSize, type ProtocolName, Samples } from './samples.ts';
import { CONFIG, StoreServer } from './store-server.ts';

export const STORE_FLOWS_DEFAULT = 1_000_000;
export const STORE_FLOWS_MIN = 2_048;
export const STORE_FLOWS_MAX = SHARDS * FLOWS_PER_SHARD_MAX;

/** On a busy machine a phase ends after fewer rounds, and says so: 5 minutes must do. */
const FILL_MAX_MS = 95_000;
const ASK_MAX_MS = 15_000;
const SWEEP_MAX_MS = 12_000;
const FEED_ALONE_MS = 5_000;
/** So that odd shards are left for each size of batch. */
const ROUNDS_MIN = 8;
/** Fewer flows are a quick look. */
const QUICK_PER_SHARD = 1_000;
/** Of a shard, asked for in batches of 1; four times as many in those of 16, eight times of 64. */
const SINGLES_MAX = 256;
const PORTIONS: Readonly<Record<BatchSize, number>> = { 1: 1, 16: 4, 64: 8 };
const PROTOCOLS = { tcp: TCP, udp: UDP } as const;
/** After it everything is over: flows, quarantines, leases. */
const LONG_MS = CONFIG.timeouts.tcpEstablishedMs + 3_600_000;

export interface Memory {
  readonly flows: number;
  readonly bytesPerFlow: number;
  /** Of these, the feed's, which keeps two minutes of events. */
  readonly feedBytesPerFlow: number;
}

export interface StoreBenchResult {
  readonly samples: Samples;
  readonly floors: readonly Floor[];
  readonly redisBenchmark: RedisBenchmark | null;
  readonly memory: Readonly<Record<ProtocolName, Memory>>;
  readonly sweepCallP99Us: Readonly<Record<BatchSize, number>>;
  readonly latency: Latency;
  readonly feed: FeedFigures;
  readonly feedAlone: FeedAloneFigures;
}

type Say = (line: string) => void;

export async function runStoreBench(flows: number, say: Say): Promise<StoreBenchResult> {
  const server = await StoreServer.start();
  try {
    return await new StoreBench(server, Math.floor(flows / SHARDS), say).run();
  } finally {
    await server.end();
  }
}

class StoreBench {
  readonly #server: StoreServer;
  readonly #perShard: number;
  readonly #say: Say;
  readonly #samples = new Samples();
  /** Shards, of the protocol under measurement. */
  #filled = 0;
  readonly #floors: Floor[] = [];
  readonly #sweepCallsUs: Record<BatchSize, number[]> = { 1: [], 16: [], 64: [] };

  constructor(server: StoreServer, perShard: number, say: Say) {
    this.#server = server;
    this.#perShard = perShard;
    this.#say = say;
  }

  get #floorKeys(): number {
    return SHARDS * this.#perShard;
  }

  async run(): Promise<StoreBenchResult> {
    await fillFloor(this.#server, this.#floorKeys);
    const tcp = await this.#fillAndAsk('tcp');
    await this.#sweep('tcp');
    const udp = await this.#fillAndAsk('udp');
    this.#say('a single find under load');
    // Of an odd shard: nothing was closed there.
    const asked = flowsOfShard(1, UDP, numbersByShard(UDP, Math.min(this.#perShard, 64))[1]!);
    const isQuick = this.#perShard < QUICK_PER_SHARD;
    const durationMs = isQuick ? 3_000 : 8_000;
    const filled = { shards: this.#filled, perShard: this.#perShard };
    const latency = await measureLatency(this.#server, asked, filled, durationMs);
    await this.#sweep('udp');
    this.#say('sixteen readers of the feeds');
    const feed = await measureFeed(this.#server, this.#perShard);
    const feedAlone = await measureFeedAlone(this.#server, isQuick ? 1_000 : FEED_ALONE_MS);
    this.#say('redis-benchmark');
    const redisBenchmark = await runRedisBenchmark(this.#server);
    return {
      samples: this.#samples,
      floors: this.#floors,
      redisBenchmark,
      memory: { tcp, udp },
      sweepCallP99Us: mapSizes((size) => Math.max(...this.#sweepCallsUs[size])),
      latency,
      feed,
      feedAlone,
    };
  }

  async #fillAndAsk(protocol: ProtocolName): Promise<Memory> {
    await this.#server.renew();
    const numbers = numbersByShard(PROTOCOLS[protocol], this.#perShard);
    const flowsOf = (shard: number) => flowsOfShard(shard, PROTOCOLS[protocol], numbers[shard]!);
    const before = await this.#server.usedMemory();
    const filled = await this.#rounds(`${protocol}: open`, range(SHARDS, 1), FILL_MAX_MS, (shard) =>
      this.#fill(shard, protocol, flowsOf(shard)),
    );
    this.#filled = filled;
    const flows = filled * this.#perShard;
    const bytesPerFlow = ((await this.#server.usedMemory()) - before) / flows;
    const feedBytesPerFlow = (await this.#server.feedMemory()) / flows;
    const even = range(filled, 2);
    await this.#rounds(`${protocol}: find, touch, close`, even, ASK_MAX_MS, (shard) =>
      this.#ask(protocol, flowsOf(shard)),
    );
    return { flows, bytesPerFlow, feedBytesPerFlow };
  }

  /** Gives how many were done in the time. */
  async #rounds(
    what: string,
    shards: readonly number[],
    limitMs: number,
    round: (shard: number) => Promise<void>,
  ): Promise<number> {
    const endMs = performance.now() + limitMs;
    for (const [done, shard] of shards.entries()) {
      if (done >= ROUNDS_MIN && performance.now() > endMs) {
        this.#say(`${what}: ${done} rounds of ${shards.length}, since they take so long`);
        return done;
      }
      if (done % 8 === 0) this.#say(`${what}: round ${done + 1} of ${shards.length}`);
      await round(shard);
    }
    return shards.length;
  }

  async #fill(shard: number, protocol: ProtocolName, flows: readonly BenchFlow[]): Promise<void> {
    const { store } = this.#server;
    await this.#server.lease(shard, PROTOCOLS[protocol], INCARNATION, flows.length);
    for (const [size, some] of portionsOf(flows, flows.length)) {
      const requests = some.map(openRequest);
      const work = () => inBatches(requests, size, (batch) => open(store, batch));
      this.#samples.add(protocol, 'open', size, await this.#server.cost(some.length, work));
    }
    this.#floors.push(await measureFloor(this.#server, this.#floorKeys));
  }

  async #ask(protocol: ProtocolName, flows: readonly BenchFlow[]): Promise<void> {
    const { store } = this.#server;
    for (const [size, some] of portionsOf(flows, 13 * SINGLES_MAX)) {
      const measure = async <Item>(
        operation: 'findInside' | 'findOutside' | 'touch' | 'close',
        items: readonly Item[],
        ask: (batch: readonly Item[]) => Promise<unknown>,
      ) => {
        const work = () => inBatches(items, size, async (batch) => void (await ask(batch)));
        this.#samples.add(protocol, operation, size, await this.#server.cost(items.length, work));
      };
      const found: FoundFlow[] = [];
      await measure('findInside', some, async (batch) => {
        found.push(...(await findInside(store, batch)));
      });
      await measure('findOutside', some, (batch) => findOutside(store, batch));
      await measure('touch', found, (batch) => touch(store, batch));
      await measure('close', found, (batch) => close(store, batch));
    }
    this.#floors.push(await measureFloor(this.#server, this.#floorKeys));
  }

  /** Odd shards, whose flows all are there. Rounds take turns with the sizes. */
  async #sweep(protocol: ProtocolName): Promise<void> {
    const { store } = this.#server;
    await this.#server.advance(LONG_MS);
    const shards = range(this.#filled - 1, 2).map((shard) => shard + 1);
    await this.#rounds(`${protocol}: sweep`, shards, SWEEP_MAX_MS, async (shard) => {
      const size = BATCH_SIZES[((shard - 1) / 2) % BATCH_SIZES.length]!;
      await this.#server.scriptP99Us();
      let deleted = 0;
      const cost = await this.#server.cost(1, async () => {
        for (let due: number | null = 0; due === 0; ) {
          const swept = await store.sweep(shard, size);
          deleted += swept.bindingsDeleted;
          due = swept.nextDueMs;
        }
      });
      this.#sweepCallsUs[size].push(await this.#server.scriptP99Us());
      if (deleted === 0) return;
      const each = { serverUs: cost.serverUs / deleted, clientUs: cost.clientUs / deleted };
      this.#samples.add(protocol, 'sweep', size, each);
    });
  }
}

function range(end: number, step: number): number[] {
  return Array.from({ length: Math.ceil(end / step) }, (_, i) => i * step);
}

/** A part of the flows for each size of batch; what is left of `count` goes to the largest. */
export function portionsOf<Item>(items: readonly Item[], count: number): [BatchSize, Item[]][] {
  const singles = Math.min(SINGLES_MAX, Math.floor(items.length / 13));
  let at = 0;
  return BATCH_SIZES.map((size) => {
    const end = size === 64 ? Math.min(count, items.length) : at + singles * PORTIONS[size];
    const part = items.slice(at, end);
    at = end;
    return [size, part];
  });
}

function mapSizes<Value>(of: (size: BatchSize) => Value): Record<BatchSize, Value> {
  return { 1: of(1), 16: of(16), 64: of(64) };
}
