/** Takes keys out of Redis that no script would take out: what failovers and TTLs do. */
import {
  blockOfPort,
  packEndpoint,
  packSubscriber,
  type SocketAddress,
  shardOfInside,
  shardOfOutside,
  unpackPortRow,
} from '@flowstore/flow';
import { SHARD_TAGS } from '../redis/keys.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { Harness } from './harness.ts';

export function lossesOf(
  redis: RedisClient,
): Pick<Harness, 'loseEntry' | 'loseBlock' | 'expireBlock'> {
  const drop = async (key: Buffer) => {
    if ((await redis.del(key)) !== 1) throw new Error('there was nothing to lose');
  };
  return {
    async loseEntry(inside) {
      const tag = SHARD_TAGS[shardOfInside(inside)];
      await drop(Buffer.concat([Buffer.from(`e:{${tag}}:`), packEndpoint(inside)]));
    },
    async loseBlock(protocol, outside) {
      const key = blockKey(protocol, outside);
      await loseCounts(redis, await redis.hvalsBuffer(key));
      await drop(key);
    },
    expireBlock: (protocol, outside) => drop(blockKey(protocol, outside)),
  };
}

/** What a failover loses of a block it loses of the counts, too: scripts are replicated whole. */
async function loseCounts(redis: RedisClient, rows: readonly Buffer[]): Promise<void> {
  for (const row of rows) {
    const held = row.subarray(0, 1).toString() === 'b' ? unpackPortRow(row) : null;
    if (held?.kind !== 'bound') continue;
    const subscriber = Buffer.from(packSubscriber(held.inside));
    const tag = SHARD_TAGS[shardOfInside(held.inside)];
    const key = Buffer.concat([Buffer.from(`n:{${tag}}:`), subscriber.subarray(-1)]);
    const left = await redis.hincrby(key, subscriber, -1);
    if (left === 0) await redis.hdel(key, subscriber);
  }
}

function blockKey(protocol: number, { address, port }: SocketAddress): Buffer {
  const tag = SHARD_TAGS[shardOfOutside(protocol, address, port)];
  const block = blockOfPort(port);
  const member = Buffer.from([protocol, ...address, block >> 8, block & 0xff]);
  return Buffer.concat([Buffer.from(`p:{${tag}}:`), member]);
}
