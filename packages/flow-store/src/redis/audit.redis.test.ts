/** The audit finds what does not agree, and nothing where all does. */
import {
  blockOfPort,
  IN_DATA,
  OUT_DATA,
  packEndpoint,
  SHARDS,
  type SocketAddress,
  TCP,
  UDP,
} from '@flowstore/flow';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { type RedisHarness, redisHarness } from '../conformance/redis-harness.ts';
import {
  created,
  GATEWAY_1,
  OTHER_WEB,
  portOf,
  Scenario,
  SHARD,
  seen,
  tcp,
  udp,
  WEB,
} from '../conformance/scenario.ts';
import { type FeedTail, feedKeepMs } from '../contract.ts';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';
import { AUDIT_FINDINGS, type AuditFindingKind, auditRequests } from './audit.ts';
import { Connection } from './connection.ts';
import { metaKey, SHARD_TAGS } from './keys.ts';
import { packPolicy } from './policy.ts';
import { RedisRunner } from './redis-runner.ts';
import type { RedisFlowStore } from './redis-store.ts';
import { THIS_RELEASE } from './release.ts';
import { systemTimers } from './timers.ts';

const TAG = `{${SHARD_TAGS[SHARD]}}`;
const UDP_LIFE_MS = 495_000;
const CONNECTION = {
  timers: systemTimers,
  connectTimeoutMs: 2_000,
  silenceMaxMs: 2_000,
  onState: () => {},
};

let server: TestRedis;
let harness: RedisHarness;
let scenario: Scenario;
beforeAll(async () => {
  server = await startRedis();
  harness = await redisHarness(server.url, config, { shards: [SHARD] });
  scenario = new Scenario(harness);
});
beforeEach(() => harness.reset());
afterAll(async () => {
  await harness.end();
  await server.stop();
});

async function walk() {
  const store = harness.store as RedisFlowStore;
  const found: AuditFindingKind[] = [];
  let checked = 0;
  let notYet = 0;
  for (let place: string | null = null, first = true; first || place !== null; first = false) {
    const step = await store.audit(place, 10);
    found.push(...step.findings.map(({ kind }) => kind));
    checked += step.checked;
    notYet += step.notYet;
    place = step.next;
  }
  return { found, checked, notYet };
}

function memberOf(protocol: number, { address, port }: SocketAddress): Buffer {
  const block = blockOfPort(port);
  return Buffer.from([protocol, ...address, block >> 8, block & 0xff]);
}
const blockKey = (member: Buffer) => Buffer.concat([Buffer.from(`p:${TAG}:`), member]);
const entryKey = (inside = udp()) => Buffer.concat([Buffer.from(TAG), packEndpoint(inside)]);

test('in health the walk checks all and finds nothing, before and after sweeps', async () => {
  for (let n = 0; n < 5; n++) await scenario.bound(udp(n));
  await scenario.bound(tcp());
  await scenario.open(tcp(), { remote: OTHER_WEB });
  expect(await walk()).toMatchObject({ found: [], notYet: 0 });
  expect((await walk()).checked).toBeGreaterThanOrEqual(6 + 2);
  await harness.advance(UDP_LIFE_MS);
  expect((await walk()).found).toEqual([]);
  await scenario.sweep();
  expect((await walk()).found).toEqual([]);
});

test('a sweep that is within a block leaves all in order, port by port', async () => {
  const block = await scenario.lease(UDP);
  const live = seen(OUT_DATA | IN_DATA);
  const flows = [];
  for (const n of [0, 1, 2, 3]) {
    flows.push(created(await scenario.open(udp(n), { proposal: portOf(block, n) })));
  }
  await harness.advance(1_000);
  for (const n of [1, 3]) await scenario.touch(udp(n), null, flows[n]!.binding.identity, live);
  await harness.advance(UDP_LIFE_MS - 1_000);
  const deleted = [];
  for (let due: number | null = 0; due === 0; ) {
    const swept = await scenario.sweep(1);
    deleted.push(swept.bindingsDeleted);
    due = swept.nextDueMs;
    expect(await walk()).toMatchObject({ found: [], notYet: 0 });
    await harness.check();
  }
  expect(deleted).toEqual([1, 0, 1, 0]);
});

const DAMAGE: Record<AuditFindingKind, (member: Buffer, field: Buffer) => Promise<unknown>> = {
  entryUnreadable: async () => {
    await harness.redis.set(entryKey(udp(8)), 'nowhere', 'PX', 1e9);
    await harness.redis.hset(entryKey(udp(9)), 'x', 'y');
    await harness.redis.pexpire(entryKey(udp(9)), 1e9);
  },
  entryWithoutRow: (member, field) => harness.redis.hdel(blockKey(member), field),
  keyWithoutTtl: () => harness.redis.persist(entryKey()),
  rowWithoutEntry: () => harness.redis.del(entryKey()),
  blockNotIndexed: (member) => harness.redis.zrem(`i:${TAG}`, member),
  blockLookedAtLate: (member) => harness.redis.zadd(`i:${TAG}`, 4e12, member),
  blockGoesEarly: (member) => harness.redis.pexpire(blockKey(member), 60_000),
  subscriberCountWrong: async () => {
    // From here on the counts are sure.
    await scenario.sweep();
    const [key] = await harness.redis.keysBuffer(`n:${TAG}:*`);
    const [subscriber] = await harness.redis.hkeysBuffer(key!);
    await harness.redis.hincrby(key!, subscriber!, 3);
  },
};

test.each(AUDIT_FINDINGS)('%s is found once, and put right', async (kind) => {
  const { outside } = await scenario.bound(udp());
  const member = memberOf(udp().protocol, outside);
  await DAMAGE[kind](member, Buffer.from([outside.port % 16]));
  // A row that is taken out of the block is counted all the same: the sweep counts anew.
  if (kind === 'entryWithoutRow') await harness.redis.del(...(await harness.redis.keys(`n:*`)));
  expect(new Set((await walk()).found)).toEqual(new Set([kind]));
  expect((await walk()).found).toEqual([]);
  await harness.check();
});

test('flows of which no row knows are found once, and deleted', async () => {
  await scenario.bound(tcp());
  const flows = Buffer.concat([Buffer.from(`x:${TAG}:`), packEndpoint(tcp())]);
  await harness.redis.hset(flows, 'remote', 'record');
  await harness.redis.pexpire(flows, 1e9);
  expect((await walk()).found).toEqual(['entryWithoutRow']);
  expect(await harness.redis.exists(flows)).toBe(0);
  created(await scenario.open(tcp(), { remote: OTHER_WEB }));
  expect(await harness.redis.exists(flows)).toBe(1);
  expect((await walk()).found).toEqual([]);
});

test('who has more ports in a block than are counted is counted anew by the sweep', async () => {
  await scenario.bound(udp());
  await scenario.bound(tcp());
  await scenario.sweep();
  await harness.redis.del(...(await harness.redis.keysBuffer(`n:${TAG}:*`)));
  // The walk may come to the shard's counts before it comes to the block, and then counts itself.
  expect((await walk()).found).toEqual(['subscriberCountWrong']);
  expect((await walk()).found).toEqual([]);
  await scenario.sweep();
  await harness.check();
});

test('a port whose row was lost begins a quarantine, and its flow is void', async () => {
  const { outside } = await scenario.bound(udp());
  await DAMAGE.entryWithoutRow(memberOf(udp().protocol, outside), Buffer.from([outside.port % 16]));
  await harness.redis.del(...(await harness.redis.keys(`n:*`)));
  await walk();
  expect(await scenario.find(udp(), null)).toEqual({ kind: 'no' });
  expect(await scenario.open(udp(1), { proposal: outside })).toEqual({ kind: 'portTaken' });
});

test('a key that is reused between scan and check is judged as what it is then', async () => {
  const { outside, binding } = await scenario.bound(tcp());
  const [request] = auditRequests([entryKey(tcp())]);
  // The walk is stopped here, with this key in its page. What it would have found is over:
  await DAMAGE.entryWithoutRow(memberOf(TCP, outside), Buffer.from([outside.port % 16]));
  await scenario.close(tcp(), null, binding.identity);
  const proposal = { ...outside, port: outside.port ^ 1 };
  const { flow } = created(await scenario.open(tcp(), { proposal }));
  // It goes on.
  const runner = new RedisRunner(
    await Connection.open({ ...CONNECTION, url: server.url }),
    THIS_RELEASE,
  );
  const [reply] = await runner.run('audit', metaKey(SHARD), [packPolicy(config), request!.subject]);
  await runner.end();
  expect([...reply!]).toEqual([0, 0, 0]);
  const found = await scenario.find(tcp(), WEB);
  expect(found).toMatchObject({ kind: 'entry', entry: { flow: { identity: flow!.identity } } });
});

test('in grace nothing is judged', async () => {
  await scenario.bound(udp());
  await DAMAGE.rowWithoutEntry(Buffer.alloc(0), Buffer.alloc(0));
  await harness.changeServer();
  expect(await walk()).toMatchObject({ found: [], checked: 0, notYet: 1 + SHARDS });
});

test('a quiet feed is trimmed to its last batch, and who read on finds no gap', async () => {
  const store = harness.store as RedisFlowStore;
  const read = async (last: FeedTail | null) => {
    const request = { shard: SHARD, incarnation: GATEWAY_1, last, nonce: 1 };
    const [result] = await store.feed([request]);
    return result!;
  };
  for (let n = 0; n < 3; n++) await scenario.bound(udp(n));
  let heard = await read(null);
  // Silence would begin a grace, which is a gap of its own.
  for (let ms = 0; ms <= feedKeepMs(config); ms += config.heartbeatMs) {
    await harness.advance(config.heartbeatMs);
    heard = await read(heard.tail);
  }
  expect(await store.trim(SHARD)).toBeGreaterThan(0);
  expect(await store.trim(SHARD)).toBe(0);
  expect(await read(heard.tail)).toMatchObject({ kind: 'events', events: [] });
});
