/** A deployment is upgraded from one layout of records to the next, and no flow is dropped. */
import { IN_DATA, OUT_DATA, ROW_BOUND, ROW_FIRST, ROW_FLOWED, silenceMs } from '@flowstore/flow';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { FlowStore, MemberInfo } from '../../contract.ts';
import { connectRedisStore } from '../../redis/connect.ts';
import type { Release } from '../../redis/release.ts';
import { startRedis, type TestRedis } from '../../testing/start-redis.ts';
import { CONFORMANCE_CONFIG as CONFIG } from '../harness.ts';
import { type RedisHarness, redisHarness } from '../redis-harness.ts';
import { GATEWAY_1, GATEWAY_2, Scenario, seen, tcp, udp, WEB } from '../scenario.ts';
import { recordConformance } from '../suite.ts';
import { BRIDGED, FORMER, FORMER_KIND, FORMER_LAYOUT, inThisLayout, inTurns } from './releases.ts';

const MARK = 0x71; // 'q'
const GW1: MemberInfo = {
  name: 'gw1',
  incarnation: GATEWAY_1,
  controlUrl: 'http://192.0.2.101:9464',
  peerAddress: null,
};
const GW2: MemberInfo = { ...GW1, name: 'gw2', incarnation: GATEWAY_2 };

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server.stop();
});

recordConformance('Redis, two releases in turns', () =>
  redisHarness(server.url, CONFIG, { open: inTurns, inThisLayout }),
);

describe('an upgrade', () => {
  let harness: RedisHarness | undefined;
  const stores: FlowStore[] = [];
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.end()));
    await harness?.end();
  });

  async function connect(release: Release): Promise<FlowStore> {
    const store = await connectRedisStore({ url: server.url, config: CONFIG, release });
    stores.push(store);
    return store;
  }

  async function begin() {
    harness = await redisHarness(server.url, CONFIG, { open: inTurns, inThisLayout });
    const [former, bridged] = [await connect(FORMER), await connect(BRIDGED)];
    await former.initialise('new');
    expect(await former.join(GW1)).toMatchObject({ terms: { layout: FORMER_LAYOUT } });
    expect(await bridged.join(GW2)).toMatchObject({ terms: { layout: FORMER_LAYOUT } });
    bridged.goBy(CONFIG, null, FORMER_LAYOUT);
    return { harness, former, bridged };
  }

  /** The bound rows' first bytes, each once: 'z' in the former layout, else a kind. */
  async function kinds({ redis }: RedisHarness): Promise<number[]> {
    const keys = await redis.keysBuffer('p:*');
    const blocks = await Promise.all(keys.map((key) => redis.hgetallBuffer(key)));
    const rows = blocks.flatMap((block) => Object.entries(block));
    const bound = rows.filter(([field, row]) => field !== 'L' && row[0] !== MARK);
    return [...new Set(bound.map(([, row]) => row[0]!))].sort((a, b) => a - b);
  }

  test('writes the former layout while needed, then the next, and drops no flow', async () => {
    const { harness, former, bridged } = await begin();
    const scenario = new Scenario({ ...harness, store: former });
    const flow = await scenario.bound(tcp());
    const other = await scenario.bound(udp());
    const { identity } = flow.flow!;
    const request = { inside: tcp(), outside: flow.outside, remote: WEB, identity };
    const touch = (store: FlowStore) =>
      store.touch([{ ...request, seen: seen(OUT_DATA | IN_DATA) }]);
    expect(await touch(bridged)).toMatchObject([{ kind: 'merged' }]);
    expect(await touch(former)).toMatchObject([{ kind: 'merged' }]);
    expect(await kinds(harness)).toEqual([FORMER_KIND]);

    // The former gateway is gone; a silence later the next layout is written.
    await former.leave(GW1);
    await bridged.heartbeat(GW2);
    await harness.advance(silenceMs(CONFIG) - 1);
    expect(await bridged.heartbeat(GW2)).toMatchObject({ terms: { layout: FORMER_LAYOUT } });
    await harness.advance(1);
    const layout = BRIDGED.layout;
    expect(await bridged.heartbeat(GW2)).toMatchObject({ terms: { layout } });
    bridged.goBy(CONFIG, null, layout);
    expect(await touch(bridged)).toMatchObject([
      { kind: 'merged', flow: { flags: expect.any(Number), identity } },
    ]);
    // The touched row is in the next layout, the other one in the former.
    expect(await kinds(harness)).toEqual([FORMER_KIND, ROW_BOUND | ROW_FLOWED | ROW_FIRST]);
    const inside = { direction: 'inside', remote: null } as const;
    const found = await bridged.find([
      { ...inside, inside: tcp(), remote: WEB },
      { ...inside, inside: udp() },
    ]);
    expect(found).toMatchObject([
      { kind: 'entry', entry: { outside: flow.outside, flow: { identity } } },
      { kind: 'entry', entry: { outside: other.outside } },
    ]);
    expect(await former.join(GW1)).toEqual({ kind: 'layoutMismatch', written: layout });
  });

  test('a release that can’t read what is written does nothing to it', async () => {
    const { harness, former, bridged } = await begin();
    bridged.goBy(CONFIG, null, BRIDGED.layout);
    await new Scenario({ ...harness, store: bridged }).bound(tcp());
    const find = { direction: 'inside', inside: tcp(), remote: WEB } as const;
    await expect(former.find([find])).rejects.toThrow('a later layout');
  });
});
