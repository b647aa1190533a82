/** A gateway that still talks to a master that was replaced, on a real Redis: it stops in time. */
import { type ClusterConfig, UDP } from '@flowstore/flow';
import { connectRedisStore, type RedisFlowStore } from '@flowstore/flow-store';
import { isolateMaster, startSentinel } from '@flowstore/flow-store/testing';
import { buildPacket } from '@flowstore/nat/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { IP_OFFSET, newFrame, Side, Verdict } from './frame.ts';
import { GatewayCore } from './gateway-core.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { performCall } from './store-call.ts';
import { TEST_CONFIG } from './testing/world.ts';

const CONFIG: ClusterConfig = {
  ...TEST_CONFIG,
  slack: { outageMs: 90_000, clockSkewMs: 100 },
  cacheLeaseMs: 2_400,
  leaseMs: 3_000,
  quarantineMs: 4_000,
  heartbeatMs: 400,
  minReplicas: 1,
};
const PATIENCE = { timeout: 20_000, interval: 5 };
const INSIDE = { domain: 0, protocol: UDP, address: Uint8Array.of(198, 18, 1, 10), port: 5000 };
const nowMs = () => performance.now();

let ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
});

/** A core over a store, and a host behind it that never stops sending. */
class Gateway {
  readonly core: GatewayCore;
  readonly #store: RedisFlowStore;
  forwardedMs = Number.NEGATIVE_INFINITY;

  constructor(store: RedisFlowStore) {
    this.#store = store;
    let drawn = 1;
    this.core = new GatewayCore({
      config: CONFIG,
      limits: { ...DEFAULT_LIMITS, flowsMax: 1_024 },
      incarnation: '00000000000000a1',
      random: () => (drawn = (Math.imul(drawn, 1_664_525) + 1_013_904_223) >>> 0),
      nowMs: nowMs(),
      emit: () => this.#forwarded(),
    });
  }

  /** The host sends a packet, timers are looked at, calls leave. */
  turn(): void {
    const { address, port } = INSIDE;
    const from = address.join('.');
    const to = { to: '198.51.100.10', toPort: 53 };
    const packet = buildPacket({ protocol: UDP, from, fromPort: port, ...to });
    const frame = newFrame(IP_OFFSET + packet.length);
    frame.bytes.set(packet, IP_OFFSET);
    const { length } = frame.bytes;
    const verdict = this.core.process(Side.Inside, frame, 0, length, nowMs());
    if (verdict === Verdict.Forward) this.#forwarded();
    this.core.tick(nowMs());
    for (const call of this.core.takeCalls(nowMs())) {
      void performCall(this.#store, call).then((reply) => this.core.reply(reply, nowMs()));
    }
  }

  #forwarded(): void {
    this.forwardedMs = nowMs();
  }
}

test('known flows end with the cache lease, and leases of ports by themselves', async () => {
  const { master, stop } = await startSentinel();
  ends.push(stop);
  const url = `redis://127.0.0.1:${master.port}`;
  const store = await connectRedisStore({ url, config: CONFIG, callTimeoutMs: 400 });
  ends.push(() => store.end());
  await vi.waitUntil(() => store.initialise('new').catch(() => false), PATIENCE);
  const gateway = new Gateway(store);
  const until = (holds: () => boolean) =>
    vi.waitUntil(() => {
      gateway.turn();
      return holds();
    }, PATIENCE);
  await until(() => gateway.forwardedMs > 0);
  const openedMs = gateway.forwardedMs;
  await until(() => gateway.forwardedMs > openedMs + 2 * CONFIG.cacheLeaseMs);

  await isolateMaster(master);
  const isolatedMs = nowMs();
  await until(() => gateway.core.gauges.portBlocks === 0);
  expect(nowMs()).toBeLessThan(isolatedMs + CONFIG.leaseMs + CONFIG.leaseMs / 3 + 500);
  const find = { direction: 'inside', inside: INSIDE, remote: null } as const;
  expect(await store.find([find])).toMatchObject([{ kind: 'entry' }]);
  await until(() => nowMs() > gateway.forwardedMs + CONFIG.cacheLeaseMs);
  expect(gateway.forwardedMs).toBeLessThan(isolatedMs + CONFIG.cacheLeaseMs);
  expect(gateway.forwardedMs).toBeGreaterThan(isolatedMs);
});
