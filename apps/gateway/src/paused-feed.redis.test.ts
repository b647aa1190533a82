/**
 * Two gateway-cores over a real Redis, one of which hears no feed and renews nothing while its port
 * goes to somebody else: it must not translate by what it remembers (I2). Packets and the store's
 * time are virtual: shard time is the larger of the server's clock and what stands in the meta key.
 */
import { CLUSTER_DEFAULTS, parseAddress, SHARDS, shardOfInside, UDP } from '@flowstore/flow';
import { connectRedisStore, type FlowStore } from '@flowstore/flow-store';
import { metaKey, startRedis, type TestRedis } from '@flowstore/flow-store/testing';
import {
  DEFAULT_LIMITS,
  GatewayCore,
  IP_OFFSET,
  newFrame,
  performCall,
  Side,
  Verdict,
} from '@flowstore/gateway-core';
import { buildPacket } from '@flowstore/nat/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** UDP that lives for hours: no timer and no touch tells the gateway before the feed would have. */
const timeouts = { ...CLUSTER_DEFAULTS.timeouts, udpMs: 4 * 3_600_000 };
const config = {
  ...CLUSTER_DEFAULTS,
  timeouts,
  pool: ['203.0.113.1/32'],
  insidePrefixes: ['198.18.0.0/16'],
};
const { cacheLeaseMs, heartbeatMs, leaseMs, quarantineMs } = config;
const REMOTE = '198.51.100.10';
const HOST = '198.18.1.10';
const PORT = 5_353;
const PAUSED = 0;
const OTHER = 1;
const AHEAD_MS = 3_600_000;
const SOURCE_PORT_AT = IP_OFFSET + 20;

let server: TestRedis;
let redis: Redis;
let store: FlowStore;
let storeMs = 0;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url, { protocol: 2 });
  store = await connectRedisStore({ url: server.url, config, callTimeoutMs: 30_000 });
  await store.initialise('new');
  const [seconds] = await redis.time();
  storeMs = Number(seconds) * 1_000 + AHEAD_MS;
});
afterAll(async () => {
  redis.disconnect();
  await store.end();
  await server.stop();
});

/** Gateways whose clock and the store's go on together. */
class Pair {
  readonly cores: readonly GatewayCore[];
  readonly #sent: { gateway: number; fromPort: number }[] = [];
  /** The first of them gets no answer to these. */
  isPaused = false;
  nowMs = 1_000_000;
  #random = 1;

  constructor() {
    this.cores = [PAUSED, OTHER].map((gateway) => {
      const core = new GatewayCore({
        config,
        limits: { ...DEFAULT_LIMITS, flowsMax: 64 },
        incarnation: `00000000000000a${gateway}`,
        random: () => this.random(),
        nowMs: this.nowMs,
        emit: (side, { view }) => {
          if (side === Side.Outside) this.#note(gateway, view);
        },
      });
      core.setGateways(2);
      return core;
    });
  }

  random(): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#random;
  }

  /** The outside port that a UDP packet of the host left by; null: it did not leave. */
  async send(gateway: number, from: string, fromPort = PORT): Promise<number | null> {
    const packet = { protocol: UDP, from, fromPort, to: REMOTE, toPort: 53 };
    const bytes = buildPacket(packet);
    const frame = newFrame(IP_OFFSET + bytes.length);
    frame.bytes.set(bytes, IP_OFFSET);
    const before = this.#sent.length;
    const core = this.cores[gateway]!;
    const verdict = core.process(Side.Inside, frame, 0, frame.bytes.length, this.nowMs);
    if (verdict === Verdict.Forward) this.#note(gateway, frame.view);
    await this.#settle();
    return this.#sent[before]?.fromPort ?? null;
  }

  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= heartbeatMs / 5) {
      const step = Math.min(left, heartbeatMs / 5);
      this.nowMs += step;
      storeMs += step;
      const pipeline = redis.pipeline();
      for (let shard = 0; shard < SHARDS; shard++) {
        pipeline.hset(metaKey(shard), 't', String(storeMs * 1_000));
      }
      await pipeline.exec();
      for (const core of this.cores) core.tick(this.nowMs);
      await this.#settle();
    }
  }

  async #settle(): Promise<void> {
    for (let again = true; again; ) {
      again = false;
      for (const [gateway, core] of this.cores.entries()) {
        for (const call of core.takeCalls(this.nowMs)) {
          again = true;
          const { id, operation } = call;
          const isDeaf = this.isPaused && gateway === PAUSED;
          const isLost = isDeaf && (operation === 'feed' || operation === 'renew');
          core.reply(isLost ? { id, results: null } : await performCall(store, call), this.nowMs);
        }
      }
    }
  }

  #note(gateway: number, view: DataView): void {
    this.#sent.push({ gateway, fromPort: view.getUint16(SOURCE_PORT_AT) });
  }
}

/** An endpoint of another host in the same shard. */
function neighbour(): { host: string; port: number } {
  const endpoint = { domain: 0, protocol: UDP, port: PORT };
  const shard = shardOfInside({ ...endpoint, address: parseAddress(HOST) });
  const host = '198.18.1.11';
  let port = 1_024;
  while (shardOfInside({ ...endpoint, port, address: parseAddress(host) }) !== shard) port++;
  return { host, port };
}

test('a gateway that hears no feed does not use a port that is another’s by now', async () => {
  const pair = new Pair();
  await pair.advance(heartbeatMs);
  const port = (await pair.send(PAUSED, HOST))!;
  expect(port).toBeGreaterThan(0);
  await pair.advance(2 * heartbeatMs);
  pair.isPaused = true;

  const inside = { domain: 0, protocol: UDP, address: parseAddress(HOST), port: PORT };
  const [found] = await store.find([{ direction: 'inside', inside, remote: null }]);
  if (found?.kind !== 'entry') throw new Error('the binding is not stored');
  const { identity } = found.entry.binding;
  const cancel = { inside, remote: null, identity, reason: 'cancel' } as const;
  expect((await store.close([cancel]))[0]?.kind).toBe('closed');
  // Within the cache lease it may still go by what it knows: the port is in quarantine.
  await pair.advance(cacheLeaseMs / 2);
  expect(await pair.send(PAUSED, HOST)).toBe(port);

  // The lease runs out, and then each of its ports is in quarantine for as long again.
  await pair.advance(leaseMs + 2 * quarantineMs);
  const next = neighbour();
  const shard = shardOfInside(inside);
  const range = { shard, protocol: UDP, address: found.entry.outside.address };
  const incarnation = '00000000000000c3';
  await store.sweep(shard, 1_000);
  await pair.advance(2 * quarantineMs);
  await store.lease([{ ...range, incarnation, blocks: 63, start: 0 }]);
  const [taken] = await store.open([
    {
      inside: { ...inside, address: parseAddress(next.host), port: next.port },
      remote: null,
      proposal: found.entry.outside,
      incarnation,
      nonce: 7,
      seen: { flags: 1, ageMs: 0, rstAgeMs: null },
      replaces: null,
    },
  ]);
  expect(taken).toMatchObject({ kind: 'created', entry: { outside: { port } } });

  expect(await pair.send(PAUSED, HOST)).not.toBe(port);
  // The new holder's packets do, through whichever gateway.
  expect(await pair.send(PAUSED, next.host, next.port)).toBe(port);
  expect(await pair.send(OTHER, next.host, next.port)).toBe(port);
}, 120_000);
