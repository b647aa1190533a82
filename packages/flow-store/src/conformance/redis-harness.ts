/**
 * Redis under the conformance suite. The server's clock can't be moved, but shard time is the
 * larger of that clock and the time stored in the shard's meta key: the harness stores a time an
 * hour ahead, so shard time stands still until the harness writes a later one. TTLs run in real
 * time all the same, counted from when they were set.
 */
import { type ClusterConfig, SHARDS } from '@flowstore/flow';
import type { FlowStore } from '../contract.ts';
import { connectRedisStore } from '../redis/connect.ts';
import { DIRECTORY_META_KEY, metaKey } from '../redis/keys.ts';
import { mastersOf, newClient, type RedisClient } from '../redis/redis-client.ts';
import { checkStored } from './check-stored.ts';
import type { Harness } from './harness.ts';
import { lossesOf } from './losses.ts';

const AHEAD_MS = 3_600_000;
const CONFIG_KEYS = ['c:{flowstore}', 'd:{flowstore}'];
const PATIENCE_MS = 10_000;
const META_TTL_MS = 86_400_000;

export interface RedisHarness extends Harness {
  readonly redis: RedisClient;
  /** Where shard time stands. */
  readonly nowMs: () => number;
  /** Looks over what is stored: see `checkStored`. */
  check(): Promise<void>;
  /** Empties the store, for another history. */
  reset(): Promise<void>;
}

export interface RedisHarnessOptions {
  /** Where a test uses few shards, naming them saves setting the clocks of all. */
  readonly shards?: readonly number[];
  /** The same server for the store under test, as another user. */
  readonly storeUrl?: string;
  /** How a client is opened, where it is not this release's. */
  readonly open?: (url: string, config: ClusterConfig) => Promise<FlowStore>;
  /** A port's row, whichever its layout, in this release's. */
  readonly inThisLayout?: (bytes: Buffer) => Buffer;
}

export async function redisHarness(
  url: string,
  config: ClusterConfig,
  options: RedisHarnessOptions = {},
): Promise<RedisHarness> {
  const { shards = [...Array(SHARDS).keys()], storeUrl = url } = options;
  const { inThisLayout = (bytes: Buffer) => bytes } = options;
  const { open = (at, its) => connectRedisStore({ url: at, config: its }) } = options;
  const redis = newClient({ url, connectTimeoutMs: PATIENCE_MS, silenceMaxMs: PATIENCE_MS });
  await redis.connect();
  const masters = mastersOf(redis);
  const empty = () => Promise.all(masters.map((master) => master.flushdb()));
  await empty();
  const [seconds] = await masters[0]!.time();
  let clockMs = Number(seconds) * 1000 + AHEAD_MS;
  const setClock = async () => {
    const keys = [...shards.map(metaKey), DIRECTORY_META_KEY];
    const set = (key: string) => [
      redis.hset(key, 't', String(clockMs * 1000)),
      redis.pexpire(key, META_TTL_MS),
    ];
    await Promise.all(keys.flatMap(set));
  };
  await setClock();
  const store = await open(storeUrl, config);
  // A new deployment, so without grace, but for its configuration.
  const begin = async () => {
    await store.initialise('new');
    await redis.del(...CONFIG_KEYS);
  };
  await begin();
  const losses = lossesOf(redis, inThisLayout);
  const check = () =>
    checkStored(redis, config, clockMs, { inThisLayout, mayDangle: losses.lostBlocks() > 0 });
  return {
    store,
    redis,
    nowMs: () => clockMs,
    connect(other = config, layout = undefined) {
      if (layout === undefined) return open(storeUrl, other);
      const release = { layout, bridge: '' };
      return connectRedisStore({ url: storeUrl, config: other, release });
    },
    async advance(ms) {
      clockMs += ms;
      await setClock();
    },
    ...losses,
    async leftovers() {
      const keys = await Promise.all(masters.map((master) => master.keys('*')));
      return keys.flat().filter((key) => /^[epi]:/.test(key)).length;
    },
    check,
    async reset() {
      await empty();
      await setClock();
      await begin();
    },
    async changeServer() {
      const all = [...Array(SHARDS).keys()];
      await Promise.all(all.map((shard) => redis.hset(metaKey(shard), 'r', 'another')));
    },
    async end() {
      await check();
      await store.end();
      redis.disconnect();
    },
  };
}
