/**
 * Two gateways over a real Redis, with heartbeats as they are and packets by hand: a configuration
 * is published, gone by, and holds, while flows go on. One that is down meanwhile joins afterwards.
 */
import { CLUSTER_DEFAULTS, type ClusterConfig, canonicalConfig, UDP } from '@flowstore/flow';
import { connectRedisStore, type RedisFlowStore } from '@flowstore/flow-store';
import { startRedis, type TestRedis } from '@flowstore/flow-store/testing';
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
import { createLogger } from '@flowstore/service';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Membership } from './membership.ts';
import { publish } from './publish.ts';

const CONFIG: ClusterConfig = {
  ...CLUSTER_DEFAULTS,
  pool: ['203.0.113.1/32'],
  insidePrefixes: ['198.18.0.0/16'],
  // The next one's are: so that the test need not wait for minutes.
  allowBelowRfcFloors: true,
  slack: { outageMs: 1_000, clockSkewMs: 10 },
  heartbeatMs: 500,
  cacheLeaseMs: 4_000,
  leaseMs: 5_000,
  quarantineMs: 5_000,
};
const NEXT: ClusterConfig = {
  ...CONFIG,
  version: 2,
  timeouts: { ...CONFIG.timeouts, udpMs: 3_000 },
};
const HOST = '198.18.1.10';
const SOURCE_PORT_AT = IP_OFFSET + 20;
const TICK_MS = 5;
const WAIT = { timeout: 20_000, interval: 50 };
const log = createLogger({ name: 'test', level: 'silent' });

let server: TestRedis;
const running: Gateway[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  const store = await connectRedisStore({ url: server.url, config: CONFIG });
  await store.initialise('new');
  await store.end();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((gateway) => gateway.stop()));
  const { Redis } = await import('ioredis');
  const redis = new Redis(server.url);
  await redis.flushdb();
  redis.disconnect();
});

/** What gateway.ts makes of membership and packet thread, without wires and without a thread. */
class Gateway {
  readonly store: RedisFlowStore;
  readonly core: GatewayCore;
  readonly membership: Membership;
  readonly #left: number[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #goesBy: (() => void)[] = [];

  static async start(n: number, config: ClusterConfig): Promise<Gateway> {
    const store = await connectRedisStore({ url: server.url, config });
    const incarnation = `${Date.now().toString(16)}`.padStart(15, '0') + n;
    const member = { name: `gw${n}`, incarnation, controlUrl: 'http://x:1', peerAddress: null };
    const membership = new Membership(store, member, log);
    try {
      await membership.join();
    } catch (error) {
      await store.end();
      throw error;
    }
    const gateway = new Gateway(store, membership, incarnation);
    running.push(gateway);
    return gateway;
  }

  constructor(store: RedisFlowStore, membership: Membership, incarnation: string) {
    this.store = store;
    this.membership = membership;
    let state = 1;
    this.core = new GatewayCore({
      config: store.config,
      limits: { ...DEFAULT_LIMITS, flowsMax: 64 },
      incarnation,
      random: () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state;
      },
      nowMs: performance.now(),
      emit: (side, { view }) => {
        if (side === Side.Outside) this.#left.push(view.getUint16(SOURCE_PORT_AT));
      },
    });
    this.core.setGateways(2);
    membership.onGoBy = (to) => {
      this.core.goBy(to, performance.now());
      return new Promise((resolve) => this.#goesBy.push(resolve));
    };
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** The outside port by which a UDP packet of the host left. */
  async send(fromPort: number): Promise<number> {
    const packet = { protocol: UDP, from: HOST, fromPort, to: '198.51.100.10', toPort: 53 };
    const bytes = buildPacket(packet);
    const frame = newFrame(IP_OFFSET + bytes.length);
    frame.bytes.set(bytes, IP_OFFSET);
    const nowMs = performance.now();
    const verdict = this.core.process(Side.Inside, frame, 0, frame.bytes.length, nowMs);
    if (verdict === Verdict.Forward) return frame.view.getUint16(SOURCE_PORT_AT);
    await vi.waitFor(() => expect(this.#left).toHaveLength(1), WAIT);
    return this.#left.pop()!;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.membership.leave();
    await this.store.end();
  }

  /** Neither leaves nor says a word. */
  async kill(): Promise<void> {
    clearInterval(this.#timer);
    vi.spyOn(this.store, 'leave').mockResolvedValue();
    running.splice(running.indexOf(this), 1);
    await this.stop();
  }

  #tick(): void {
    this.core.tick(performance.now());
    for (const call of this.core.takeCalls(performance.now())) {
      void performCall(this.store, call).then((reply) => {
        this.core.reply(reply, performance.now());
      });
    }
    if (this.core.isReplanned) for (const resolve of this.#goesBy.splice(0)) resolve();
  }
}

async function publishNext(cluster = NEXT) {
  const said: string[] = [];
  const redis = { url: server.url, connectTimeoutMs: 5_000, callTimeoutMs: 5_000 };
  const holds = await publish({ redis, cluster }, (line) => said.push(line));
  return { holds, said: said.join('\n') };
}

test('a timeout changes under running gateways: only what idles ends by it', async () => {
  const [gw1, gw2] = [await Gateway.start(1, CONFIG), await Gateway.start(2, CONFIG)];
  const used = await gw1.send(5_001);
  await gw1.send(5_002);
  const publishing = publishNext();
  const keepUsing = setInterval(() => void gw1.send(5_001), 500);
  const { holds, said } = await publishing;
  expect(holds).toBe(true);
  expect(said).toMatch(/version 2 is published/);
  expect(said).toMatch(/gw1: goes by it\ngw2: goes by it/);
  expect(said).toMatch(/version 2 holds$/);
  await vi.waitFor(() => {
    for (const { store, membership } of [gw1, gw2]) {
      expect(membership.configState).toEqual({ version: 2, nextVersion: 0, refused: false });
      expect(store.config).toEqual(NEXT);
    }
  }, WAIT);
  // The idle one ends by the new timeout, 300 s would be the former.
  await vi.waitFor(async () => {
    for (let shard = 0; shard < 64; shard++) await gw2.store.sweep(shard, 1_000);
    const inside = { domain: 0, protocol: UDP, address: Uint8Array.of(198, 18, 1, 10) };
    const find = (port: number) =>
      ({ direction: 'inside', inside: { ...inside, port }, remote: null }) as const;
    const found = await gw2.store.find([find(5_001), find(5_002)]);
    expect(found.map((result) => result?.kind)).toEqual(['entry', 'no']);
  }, WAIT);
  clearInterval(keepUsing);
  expect(await gw2.send(5_001)).toBe(used);
}, 60_000);

test('a gateway that is down does not block, and joins afterwards with what holds', async () => {
  const gw1 = await Gateway.start(1, CONFIG);
  const gw2 = await Gateway.start(2, CONFIG);
  const port = await gw2.send(5_001);
  await gw2.kill();
  const { holds, said } = await publishNext();
  expect(holds).toBe(true);
  expect(said).toContain('gw2: has not said so yet');
  await expect(Gateway.start(2, CONFIG)).rejects.toThrow('cluster.timeouts.udpMs: differs');
  const back = await Gateway.start(2, NEXT);
  expect(await back.send(5_001)).toBe(port);
  expect(await gw1.send(5_001)).toBe(port);
}, 60_000);

test('the publisher is told who refuses and why, and is not kept waiting for ever', async () => {
  await Gateway.start(1, CONFIG);
  const gw2 = await Gateway.start(2, CONFIG);
  const hear = gw2.store.heartbeat.bind(gw2.store);
  // An older release, that does not know what is published.
  const unknown = canonicalConfig(NEXT);
  const problems = ['udpMs: found 3000, allowed: more'];
  gw2.store.heartbeat = (member, stance) =>
    hear(member, stance?.next === unknown ? { ...stance, problems } : stance);
  const { holds, said } = await publishNext();
  expect(holds).toBe(false);
  expect(said).toContain('gw2: refuses\ngw2:   udpMs: found 3000, allowed: more');
  expect(said).toContain('not yet: version 2 stays published');
  // It is withdrawn by what holds, as the next version.
  const former = { ...CONFIG, version: 2 };
  expect(await publishNext(former)).toMatchObject({ holds: true });
}, 60_000);

test('rules change under running gateways: only what they leave no place for ends', async () => {
  const [gw1, gw2] = [await Gateway.start(1, CONFIG), await Gateway.start(2, CONFIG)];
  const taken = await gw1.send(5_001);
  const kept = await gw1.send(5_002);
  expect(await gw2.send(5_001)).toBe(taken);
  const portForwards = [
    {
      protocol: 'udp' as const,
      outside: `203.0.113.1:${taken}`,
      inside: '198.18.1.99:53',
      domain: 0,
    },
  ];
  expect(await publishNext({ ...CONFIG, version: 2, portForwards })).toMatchObject({ holds: true });
  const inside = { domain: 0, protocol: UDP, address: Uint8Array.of(198, 18, 1, 10), port: 5_001 };
  await vi.waitFor(async () => {
    const [found] = await gw2.store.find([{ direction: 'inside', inside, remote: null }]);
    expect(found?.kind).toBe('no');
  }, WAIT);
  expect(await gw1.send(5_002)).toBe(kept);
  expect(await gw2.send(5_002)).toBe(kept);
  // Who did not end it hears of that with its next heartbeat at the latest.
  const anew = await vi.waitFor(async () => {
    const port = await gw2.send(5_001);
    expect(port).not.toBe(taken);
    return port;
  }, WAIT);
  await vi.waitFor(async () => expect(await gw1.send(5_001)).toBe(anew), WAIT);
}, 60_000);
