/** The Lua parts say the same as @flowstore/flow: deadlines, merging, packed records. */
import {
  BLOCK_PORTS,
  deadlineMs,
  type FlowState,
  ICMP,
  ICMPV6,
  mergeState,
  packFlowRecord,
  packPortRow,
  packSocketAddress,
  parseAddress,
  TCP,
  UDP,
  unpackFlowRecord,
} from '@flowstore/flow';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { startRedis, type TestRedis } from '../testing/start-redis.ts';
import { metaKey } from './keys.ts';
import { packPolicy } from './policy.ts';
import { parseScript, readPart } from './script-loader.ts';

const INSIDE = { domain: 7, protocol: UDP, address: parseAddress('198.18.1.10'), port: 5353 };

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url, { protocol: 2 });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

/** Runs a body after the parts, in a script that exists for the test alone. */
async function probe(body: string, ...args: Buffer[]): Promise<unknown> {
  const parts = ['shard', 'subscriber', 'flow', 'block', 'entry'].map(
    (part) => `--- @include ${part}`,
  );
  const tags = ['--- @command probe', '--- @purpose test', '--- @cost none', ...parts];
  const { lua } = parseScript('probe.lua', ['#!lua', ...tags, body].join('\n'), readPart);
  return redis.callBuffer('EVAL', lua, '1', metaKey(0), packPolicy(config), ...args);
}

const instantMs = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2_000_000_000_000 }));
const state: fc.Arbitrary<FlowState> = fc.record({
  flags: fc.nat({ max: 63 }),
  seenMs: instantMs,
  rstMs: instantMs,
});

function packed(states: FlowState[]): Buffer[] {
  return states.map((one) =>
    Buffer.from(packFlowRecord({ generation: 2 ** 53 - 1, nonce: 2 ** 32 - 1, ...one })),
  );
}

it.each([TCP, UDP, ICMP, ICMPV6])('the deadlines of protocol %i are the same', async (protocol) => {
  const states = fc.sample(state, 500);
  const deadlines = await probe(
    `local deadlines = {}
     for i = 2, #ARGV do
       deadlines[#deadlines + 1] = deadline_ms(${protocol}, read_record(ARGV[i]))
     end
     return deadlines`,
    ...packed(states),
  );
  expect(deadlines).toEqual(
    states.map((one) => deadlineMs(config.timeouts, config.slack, protocol, one)),
  );
});

it('merging is the same, and so is the record', async () => {
  const states = fc.sample(state, 500);
  const merged = (await probe(
    `local merged = {}
     for i = 2, #ARGV, 2 do
       local record = read_record(ARGV[i])
       merge(record, read_record(ARGV[i + 1]))
       merged[#merged + 1] = pack_record(record.id, record)
     end
     return merged`,
    ...packed(states),
  )) as Buffer[];
  const identity = { generation: 2 ** 53 - 1, nonce: 2 ** 32 - 1 };
  merged.forEach((bytes, i) => {
    const both = mergeState(states[2 * i]!, states[2 * i + 1]!);
    expect(unpackFlowRecord(bytes)).toEqual({ ...identity, ...both });
  });
});

it('rows are read as they were packed', async () => {
  const identity = { generation: 1_700_000_000_123_456, nonce: 99 };
  const bound = packPortRow({ kind: 'bound', identity, inside: INSIDE });
  const mark = packPortRow({ kind: 'quarantined', untilMs: 1_700_000_000_123, inside: INSIDE });
  const bare = packPortRow({ kind: 'quarantined', untilMs: 5, inside: null });
  const [isBound, row, until, same, bareUntil, holder] = (await probe(
    `local id, inside = holder_of(ARGV[2])
     local until_ms, holder = mark_of(ARGV[3])
     local bare_until_ms, nobody = mark_of(ARGV[4])
     return { is_bound(ARGV[2]) and not is_bound(ARGV[3]) and 1 or 0, bound_row(id, inside),
       until_ms, holder == inside and 1 or 0, bare_until_ms, nobody }`,
    ...[bound, mark, bare].map((bytes) => Buffer.from(bytes)),
  )) as unknown[];
  expect(isBound).toBe(1);
  expect(row).toEqual(Buffer.from(bound));
  expect([until, same, bareUntil]).toEqual([1_700_000_000_123, 1, 5]);
  expect(holder).toEqual(Buffer.alloc(0));
});

it('a port is found in the same block', async () => {
  const address = parseAddress('203.0.113.1');
  for (const port of [1_024, 1_039, 1_040, 40_001, 65_535]) {
    const [member, field] = (await probe(
      'local block, field = block_of(6, ARGV[2]) return { block.member, field }',
      Buffer.from(packSocketAddress({ address, port })),
    )) as Buffer[];
    const number = Math.floor((port - 1_024) / BLOCK_PORTS);
    expect(member).toEqual(Buffer.from([6, ...address, number >> 8, number & 0xff]));
    expect(field).toEqual(Buffer.from([port % BLOCK_PORTS]));
  }
});
