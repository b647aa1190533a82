/**
 * Sixteen gateways on one outside address: how many of its ports are in use when one of them is
 * told for the first time that there is none. Flows come to gateways and shards at random, as ECMP
 * and hashing deal them; each gateway uses up what it leases first, then lets the store choose.
 */
import {
  ANY_PORT,
  BLOCK_PORTS,
  BLOCKS,
  type Endpoint,
  firstPortOfBlock,
  SHARDS,
  type SocketAddress,
  shardOfInside,
  UDP,
} from '@flowstore/flow';
import { expect, it } from 'vitest';
import type { OpenRequest, OpenResult } from '../contract.ts';
import { connectRedisStore } from '../redis/connect.ts';
import { startRedis } from '../testing/start-redis.ts';
import { CONFORMANCE_CONFIG as config } from './harness.ts';
import { created, JUST_NOW, POOL } from './scenario.ts';

const GATEWAYS = 16;
/** By each gateway of each shard: half of the shard's 63 blocks are leased then. */
const BLOCKS_LEASED = 2;
const PORTS = BLOCKS * BLOCK_PORTS;
const BATCH = 2_048;

function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const incarnationOf = (gateway: number) => (gateway + 1).toString(16).padStart(16, '0');

it('use nine of ten ports before the first is told that none is left', async () => {
  const server = await startRedis();
  const store = await connectRedisStore({ url: server.url, config, callTimeoutMs: 30_000 });
  await store.initialise('new');
  /** By gateway, then by shard. */
  const held: number[][][] = [];
  for (let gateway = 0; gateway < GATEWAYS; gateway++) {
    const incarnation = incarnationOf(gateway);
    const range = { protocol: UDP, address: POOL, incarnation, blocks: BLOCKS_LEASED };
    const leases = await store.lease(
      Array.from({ length: SHARDS }, (_, shard) => ({ ...range, shard, start: 7 * gateway })),
    );
    held.push(
      leases.map((lease) => (lease?.kind === 'granted' ? lease.blocks : []).flatMap(ports)),
    );
  }

  const random = xorshift(1);
  let hosts = 0;
  const opening = (): OpenRequest => {
    hosts += 1;
    const address = Uint8Array.of(10, hosts >>> 16, (hosts >>> 8) & 255, hosts & 255);
    const inside: Endpoint = { domain: 0, protocol: UDP, address, port: 5_353 };
    const gateway = random() % GATEWAYS;
    const port = held[gateway]![shardOfInside(inside)]!.pop() ?? ANY_PORT;
    const proposal: SocketAddress = { address: POOL, port };
    const incarnation = incarnationOf(gateway);
    const common = { inside, remote: null, seen: JUST_NOW, replaces: null };
    return { ...common, proposal, incarnation, nonce: random() };
  };
  const used: number[] = [];
  let first: OpenResult | null | undefined;
  while (first === undefined) {
    const results = await store.open(Array.from({ length: BATCH }, opening));
    first = results.find((result) => result?.kind !== 'created');
    const until = first === undefined ? results.length : results.indexOf(first);
    for (const result of results.slice(0, until)) used.push(created(result!).outside.port);
  }
  expect(first).toEqual({ kind: 'exhausted' });
  expect(new Set(used).size).toBe(used.length);
  expect(used.length).toBeGreaterThan(0.9 * PORTS);
  await store.end();
  await server.stop();
}, 120_000);

function ports({ block }: { readonly block: number }): number[] {
  return Array.from({ length: BLOCK_PORTS }, (_, offset) => firstPortOfBlock(block) + offset);
}
