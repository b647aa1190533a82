/**
 * The demo without root, and off Linux: the same gateway-core and packet loop, a real Redis, real
 * time; only the wires, the routers and the hosts' stacks are in memory.
 */
import { randomInt } from 'node:crypto';
import { connectRedisStore } from '@flowstore/flow-store';
import { startRedis, type TestRedis } from '@flowstore/flow-store/testing';
import { bootClock } from '@flowstore/packet-io';
import type { DemoOptions, DemoResult } from '../result.ts';
import type { OpenStore } from './gateway.ts';
import { CONFIG } from './plan.ts';
import { playStory, type StoryOptions } from './story.ts';

type Parameters = Omit<StoryOptions, 'openStore' | 'clock' | 'random' | 'seed' | 'say' | 'signal'>;

const FULL: Parameters = {
  downloadBytes: 10_000_000,
  downloadMs: 10_000,
  connections: 200,
  trickleEveryMs: 400,
  probeEveryMs: 200,
  awayMs: 1_500,
  settleMaxMs: 5_000,
};

export async function runMemoryDemo(options: DemoOptions): Promise<DemoResult> {
  return runWith(options, FULL);
}

/** Tests run it shorter, and with a store that fails them. */
export async function runWith(
  { say, signal }: DemoOptions,
  parameters: Parameters,
  wrap: (openStore: OpenStore) => OpenStore = (openStore) => openStore,
): Promise<DemoResult> {
  signal.throwIfAborted();
  const redis = await obtainRedis();
  try {
    signal.throwIfAborted();
    say('In memory: wires, routers and hosts. Real: both gateways, the Redis, the time.');
    say('No reaper runs: what it would sweep is long from due when this ends.');
    if (redis.pid === null) say('The Redis is that of REDIS_URL; it is emptied again at the end.');
    const openStore = wrap(() => connectRedisStore({ url: redis.url, config: CONFIG }));
    const random = () => randomInt(2 ** 32);
    const clock = bootClock();
    return await playStory({
      ...parameters,
      openStore,
      clock,
      random,
      seed: random(),
      say,
      signal,
    });
  } finally {
    await redis.stop();
  }
}

/** The one of REDIS_URL, which must be empty, or a private one. */
async function obtainRedis(): Promise<TestRedis> {
  try {
    return await startRedis();
  } catch (error) {
    const [reason = ''] = (error as Error).message.split('\n');
    const help = reason.includes('install')
      ? ''
      : ' (install the package redis-server, or set REDIS_URL to a server that runs)';
    throw new Error(`the demo needs a Redis: ${reason}${help}`, { cause: error });
  }
}
