/**
 * `bench drain`: a store full of stale flows, drained by a reaper as it is installed: its own
 * process, BullMQ's jobs, their queue on a server of its own, so that its share is known.
 *
 * ```
 * fill all shards -> floor: DEL of some shards' entries -> reaper, until the rest is gone -> naive
 * ```
 */
import { packEndpoint, SHARDS, UDP } from '@flowstore/flow';
import { metaKey, type ServerProcess, startServer } from '@flowstore/flow-store/testing';
import { Redis } from 'ioredis';
import { flowsOfShard, numbersByShard } from '../store/endpoints.ts';
import { INCARNATION, inBatches, open, openRequest } from '../store/operations.ts';
import { CONFIG, StoreServer } from '../store/store-server.ts';
import { measureNaive } from './naive.ts';
import { ReaperChild } from './reaper-child.ts';

/** The shards whose entries the floor takes. */
const FLOOR_SHARDS = 4;
const DRAINED_SHARDS = SHARDS - FLOOR_SHARDS;
const BATCH = 64;
const POLL_MS = 100;
const DRAIN_MAX_MS = 180_000;
/** After it everything is over. */
const LONG_MS = CONFIG.timeouts.tcpEstablishedMs + 3_600_000;

export interface DrainResult {
  readonly flows: number;
  readonly flowsPerS: number;
  /** CPU of the flows' server per flow. */
  readonly serverUs: number;
  /** CPU of the queue's server per flow: BullMQ's. */
  readonly queueServerUs: number;
  /** CPU of the reaper's process per flow. */
  readonly reaperUs: number;
  readonly holdP99Ms: number;
  readonly naiveFlowsPerS: number;
  readonly delServerUs: number;
}

type Say = (line: string) => void;

export async function runDrainBench(flows: number, say: Say): Promise<DrainResult> {
  const server = await StoreServer.start();
  let queue: ServerProcess | undefined;
  try {
    queue = await startServer();
    return await drain(server, queue, Math.floor(flows / SHARDS), say);
  } finally {
    await queue?.stop();
    await server.end();
  }
}

async function drain(server: StoreServer, queue: ServerProcess, perShard: number, say: Say) {
  say(`filling ${SHARDS * perShard} flows`);
  const keys = await fill(server, perShard);
  await server.advance(LONG_MS);
  say('the floor');
  const { serverUs: delServerUs } = await server.cost(keys.length, () => deleteAll(server, keys));
  await clearShards(server, DRAINED_SHARDS);
  say('draining');
  const drained = await measureReaper(server, queue, DRAINED_SHARDS * perShard);
  say('the naive loop');
  const naiveFlowsPerS = await measureNaive(server.redis);
  return { flows: DRAINED_SHARDS * perShard, ...drained, naiveFlowsPerS, delServerUs };
}

/** Fills every shard; gives the entries' keys of those that the floor takes. */
async function fill(server: StoreServer, perShard: number): Promise<Buffer[]> {
  await server.renew();
  const keys: Buffer[] = [];
  for (const [shard, numbers] of numbersByShard(UDP, perShard).entries()) {
    const flows = flowsOfShard(shard, UDP, numbers);
    await server.lease(shard, UDP, INCARNATION, perShard);
    await inBatches(flows, BATCH, (batch) => open(server.store, batch.map(openRequest)));
    if (shard < DRAINED_SHARDS) continue;
    const prefix = Buffer.from(metaKey(shard).slice('s:'.length));
    keys.push(...flows.map(({ inside }) => Buffer.concat([prefix, packEndpoint(inside)])));
  }
  return keys;
}

function deleteAll({ redis }: StoreServer, keys: readonly Buffer[]): Promise<void> {
  return inBatches(keys, BATCH, async (batch) => {
    const pipeline = redis.pipeline();
    for (const key of batch) pipeline.del(key);
    await pipeline.exec();
  });
}

/** Takes away what is left of the shards from the first on: they are no part of what is drained. */
async function clearShards({ redis }: StoreServer, first: number): Promise<void> {
  for (let shard = first; shard < SHARDS; shard++) {
    const tag = metaKey(shard).slice('s:'.length);
    await redis.del(`i:${tag}`);
  }
}

async function measureReaper(server: StoreServer, queue: ServerProcess, flows: number) {
  const queueUrl = `redis://127.0.0.1:${queue.port}`;
  const queueRedis = new Redis(queueUrl, { protocol: 2 });
  await server.scriptP99Us();
  const reaper = new ReaperChild({ storeUrl: server.url, queueUrl });
  try {
    let flowsPerS = 0;
    let reaperUs = 0;
    const queueBeforeUs = await cpuUs(queueRedis);
    const { serverUs } = await server.cost(flows, async () => {
      ({ flowsPerS, reaperUs } = await untilDrained(reaper, flows));
    });
    const queueServerUs = ((await cpuUs(queueRedis)) - queueBeforeUs) / flows;
    const holdP99Ms = (await server.scriptP99Us()) / 1_000;
    return { flowsPerS, serverUs, queueServerUs, reaperUs, holdP99Ms };
  } finally {
    await reaper.end();
    queueRedis.disconnect();
  }
}

/** The pace is that between the first flow that is gone and the last. */
async function untilDrained(reaper: ReaperChild, flows: number) {
  const limitMs = performance.now() + DRAIN_MAX_MS;
  let first: { atMs: number; deleted: number } | undefined;
  for (;;) {
    const { deleted, cpuS } = await reaper.progress();
    const atMs = performance.now();
    if (deleted > 0) first ??= { atMs, deleted };
    if (deleted >= flows && first !== undefined) {
      const seconds = Math.max(atMs - first.atMs, POLL_MS) / 1_000;
      const reaperUs = (cpuS * 1e6) / flows;
      return { flowsPerS: Math.max(deleted - first.deleted, 1) / seconds, reaperUs };
    }
    if (atMs > limitMs) throw new Error(`${flows - deleted} of ${flows} flows were not drained`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function cpuUs(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const of = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1] ?? 0);
  return 1e6 * (of('used_cpu_user_main_thread') + of('used_cpu_sys_main_thread'));
}
