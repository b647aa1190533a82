/** The private server that is measured, a store on it, and the meter of both. */
import { BLOCK_PORTS, CLUSTER_DEFAULTS, type ClusterConfig, SHARDS } from '@flowstore/flow';
import { connectRedisStore, type FlowStore } from '@flowstore/flow-store';
import { metaKey, startServer } from '@flowstore/flow-store/testing';
import { Redis } from 'ioredis';
import { processCpuNs } from '../cpu.ts';
import { ADDRESSES, POOL } from './endpoints.ts';

/** CPU per flow. */
export interface Cost {
  readonly serverUs: number;
  readonly clientUs: number;
}

export const CONFIG: ClusterConfig = {
  ...CLUSTER_DEFAULTS,
  pool: [POOL],
  insidePrefixes: ['10.0.0.0/8'],
};
/** A shared machine stalls now and then; a call that takes this long is told. */
const CALL_TIMEOUT_MS = 30_000;

export class StoreServer {
  readonly port: number;
  readonly url: string;
  readonly redis: Redis;
  /** The database beside the store's. */
  readonly floor: Redis;
  readonly store: FlowStore;
  readonly #stop: () => Promise<void>;

  private constructor(port: number, redis: Redis, store: FlowStore, stop: () => Promise<void>) {
    this.port = port;
    this.url = urlOf(port);
    this.redis = redis;
    this.floor = new Redis(`${this.url}/1`, { protocol: 2 });
    this.store = store;
    this.#stop = stop;
  }

  static async start(): Promise<StoreServer> {
    const { port, stop } = await startServer();
    try {
      const redis = new Redis(urlOf(port), { protocol: 2 });
      const options = { url: urlOf(port), config: CONFIG, callTimeoutMs: CALL_TIMEOUT_MS };
      return new StoreServer(port, redis, await connectRedisStore(options), stop);
    } catch (error) {
      await stop();
      throw error;
    }
  }

  async end(): Promise<void> {
    this.redis.disconnect();
    this.floor.disconnect();
    await this.store.end();
    await this.#stop();
  }

  /** An empty store whose shards are fresh, as a new deployment's. */
  async renew(): Promise<void> {
    await this.redis.flushdb();
    await this.store.initialise('new');
  }

  /** The shard's first blocks of every address, as many as that many flows take. */
  async lease(shard: number, protocol: number, incarnation: string, flows: number) {
    const blocks = Math.ceil(flows / (ADDRESSES.length * BLOCK_PORTS));
    const requests = ADDRESSES.map((address) => {
      return { shard, protocol, address, incarnation, blocks, start: 0 };
    });
    for (const leased of await this.store.lease(requests)) {
      if (leased?.kind === 'granted') continue;
      throw new Error(`shard ${shard}: the lease was answered ${leased?.kind}`);
    }
  }

  /** Puts the time of every shard ahead, where it then stands until something is written. */
  async advance(ms: number): Promise<void> {
    const [seconds] = await this.redis.time();
    const timeUs = (Number(seconds) * 1_000 + ms) * 1_000;
    for (let shard = 0; shard < SHARDS; shard++) {
      await this.redis.hset(metaKey(shard), 't', String(timeUs));
    }
  }

  async cost(flows: number, work: () => Promise<void>): Promise<Cost> {
    const serverUs = await this.#cpuUs();
    const clientNs = processCpuNs();
    await work();
    const usedNs = processCpuNs() - clientNs;
    const usedUs = (await this.#cpuUs()) - serverUs;
    return { serverUs: usedUs / flows, clientUs: usedNs / 1_000 / flows };
  }

  async usedMemory(): Promise<number> {
    return field(await this.redis.info('memory'), 'used_memory');
  }

  /** Bytes of the feeds, which hold two minutes of events. */
  async feedMemory(): Promise<number> {
    let bytes = 0;
    for (let shard = 0; shard < SHARDS; shard++) {
      const key = metaKey(shard).replace('s:', 'f:');
      bytes += Number((await this.redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '0')) ?? 0);
    }
    return bytes;
  }

  /** How long the script calls since the last question took, 99 of 100 of them. */
  async scriptP99Us(): Promise<number> {
    const stats = await this.redis.info('latencystats');
    await this.redis.config('RESETSTAT');
    return Number(/latency_percentiles_usec_evalsha:.*p99=([\d.]+)/.exec(stats)?.[1] ?? Number.NaN);
  }

  async #cpuUs(): Promise<number> {
    const info = await this.redis.info('cpu');
    const seconds =
      field(info, 'used_cpu_user_main_thread') + field(info, 'used_cpu_sys_main_thread');
    return seconds * 1e6;
  }
}

const urlOf = (port: number) => `redis://127.0.0.1:${port}`;

function field(info: string, name: string): number {
  const value = new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1];
  if (value === undefined) throw new Error(`the server's INFO has no ${name}`);
  return Number(value);
}
