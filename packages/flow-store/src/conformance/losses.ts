/** Takes keys out of Redis that no script would take out: what failovers and TTLs do. */
import {
  blockOfPort,
  type Endpoint,
  packEndpoint,
  packSubscriber,
  ROW_BOUND,
  ROW_RST,
  type SocketAddress,
  shardOfInside,
  shardOfOutside,
  unpackBoundRow,
  unpackEntry,
} from '@flowstore/flow';
import { SHARD_TAGS } from '../redis/keys.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { Harness } from './harness.ts';

export interface Losses extends Pick<Harness, 'loseEntry' | 'loseBlock' | 'expireBlock'> {
  /** So many were lost, each with entries that may lead nowhere now. */
  lostBlocks(): number;
}

export function lossesOf(redis: RedisClient, inThisLayout: (bytes: Buffer) => Buffer): Losses {
  let lostBlocks = 0;
  const drop = async (key: Buffer) => {
    if ((await redis.del(key)) !== 1) throw new Error('there was nothing to lose');
  };
  return {
    async loseEntry(inside) {
      const key = keyOf('e', inside);
      const outside = unpackEntry((await redis.getBuffer(key))!);
      await drop(key);
      await redis.del(keyOf('x', inside));
      // What a failover leaves of a binding that it lost is older, and nobody uses it any more.
      const block = blockKey(inside.protocol, outside);
      const field = Buffer.from([outside.port % 16]);
      const row = (await redis.hgetBuffer(block, field))!;
      await redis.hset(block, field, neverSeen(row, inThisLayout(row)[0]!));
    },
    async loseBlock(protocol, outside) {
      lostBlocks += 1;
      const key = blockKey(protocol, outside);
      await loseCounts(redis, (await redis.hvalsBuffer(key)).map(inThisLayout));
      await drop(key);
    },
    expireBlock: (protocol, outside) => drop(blockKey(protocol, outside)),
    lostBlocks: () => lostBlocks,
  };
}

function neverSeen(row: Buffer, kind: number): Buffer {
  const old = Buffer.from(row);
  old.fill(0, 14, kind & ROW_RST ? 26 : 20);
  return old;
}

/** What a failover loses of a block it loses of the counts, too: scripts are replicated whole. */
async function loseCounts(redis: RedisClient, rows: readonly Buffer[]): Promise<void> {
  for (const row of rows) {
    // A lease may begin with any byte, and is shorter than any row.
    if (row[0]! < ROW_BOUND || row.length < 30) continue;
    const held = unpackBoundRow(row);
    const subscriber = Buffer.from(packSubscriber(held.inside));
    const tag = SHARD_TAGS[shardOfInside(held.inside)];
    const key = Buffer.concat([Buffer.from(`n:{${tag}}:`), subscriber.subarray(-1)]);
    const left = await redis.hincrby(key, subscriber, -1);
    if (left === 0) await redis.hdel(key, subscriber);
  }
}

function keyOf(kind: 'e' | 'x', inside: Endpoint): Buffer {
  const tag = SHARD_TAGS[shardOfInside(inside)];
  const prefix = kind === 'e' ? `{${tag}}` : `x:{${tag}}:`;
  return Buffer.concat([Buffer.from(prefix), packEndpoint(inside)]);
}

function blockKey(protocol: number, { address, port }: SocketAddress): Buffer {
  const tag = SHARD_TAGS[shardOfOutside(protocol, address, port)];
  const block = blockOfPort(port);
  const member = Buffer.from([protocol, ...address, block >> 8, block & 0xff]);
  return Buffer.concat([Buffer.from(`p:{${tag}}:`), member]);
}
