/** The Lua parts say the same as @flowstore/flow: deadlines, merging, packed records. */
import {
  BLOCK_PORTS,
  type BoundRow,
  deadlineMs,
  type FlowState,
  ICMP,
  ICMPV6,
  mergeState,
  packBoundRow,
  packEndpoint,
  packFlowRecord,
  packQuarantineMark,
  packSocketAddress,
  parseAddress,
  TCP,
  UDP,
  unpackEntry,
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
  const parts = ['shard', 'subscriber', 'flow', 'row', 'block', 'entry'].map(
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
       merged[#merged + 1] = pack_record(record)
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

const identity = fc.record({ generation: fc.maxSafeNat(), nonce: fc.nat(2 ** 32 - 1) });
const address = fc.constantFrom('198.18.1.10', '2001:db8::10').map(parseAddress);
const boundRow: fc.Arbitrary<BoundRow> = fc
  .record({
    identity,
    own: fc.option(identity),
    state,
    inside: address.map((address) => ({ ...INSIDE, address })),
    remote: fc.option(address.map((address) => ({ address, port: 443 }))),
    isFlowed: fc.boolean(),
    hasMore: fc.boolean(),
  })
  .map(({ identity, own, state, inside, remote, isFlowed, hasMore }): BoundRow => {
    const row = { kind: 'bound', identity, inside } as const;
    if (!isFlowed) return { ...row, state, first: null, hasMore: false };
    const first = remote && { ...(own ?? identity), ...state, remote };
    return { ...row, state: null, first, hasMore };
  });

it('rows are read as they were packed, and packed as they were', async () => {
  const rows = fc.sample(boundRow, 500).map((row) => Buffer.from(packBoundRow(row)));
  const packed = (await probe(
    `local packed = {}
     for i = 2, #ARGV do
       local binding, kind = read_row(ARGV[i]), byte(ARGV[i])
       assert(is_bound(ARGV[i]) and holder_of(ARGV[i]) == binding.inside)
       if binding.first then
         local flags, seen_ms, rst_ms = state_in(ARGV[i], kind)
         local first = binding.first
         assert(flags == first.flags and seen_ms == first.seen_ms and rst_ms == first.rst_ms)
       end
       packed[#packed + 1] = pack_row(binding)
     end
     return packed`,
    ...rows,
  )) as Buffer[];
  expect(packed).toEqual(rows);
});

it('quarantine marks are read as they were packed', async () => {
  const untilMs = 1_700_000_000_123;
  const mark = packQuarantineMark({ kind: 'quarantined', untilMs, inside: INSIDE });
  const bare = packQuarantineMark({ kind: 'quarantined', untilMs: 5, inside: null });
  const [until, holder, bareUntil, nobody] = (await probe(
    `local until_ms, holder = mark_of(ARGV[2])
     local bare_until_ms, nobody = mark_of(ARGV[3])
     assert(not is_bound(ARGV[2]) and not is_bound(ARGV[3]) and is_free(ARGV[3]))
     return { until_ms, holder, bare_until_ms, nobody }`,
    ...[mark, bare].map((bytes) => Buffer.from(bytes)),
  )) as unknown[];
  expect([until, bareUntil]).toEqual([untilMs, 5]);
  expect(holder).toEqual(Buffer.from(packEndpoint(INSIDE)));
  expect(nobody).toEqual(Buffer.alloc(0));
});

it('an entry leads to the outside endpoint that it was written for', async () => {
  for (const text of ['0.0.0.0', '203.0.113.1', '255.255.255.255', '2001:db8:ffff::1']) {
    const outside = { address: parseAddress(text), port: 65_535 };
    const packed = Buffer.from(packSocketAddress(outside));
    const [pointer, back] = (await probe(
      'local pointer = pointer_to(ARGV[2]) return { pointer, outside_of(pointer) }',
      packed,
    )) as Buffer[];
    expect(back).toEqual(packed);
    expect(unpackEntry(new Uint8Array(pointer!))).toEqual(outside);
  }
  expect(await probe(`return outside_of('nowhere') or 'nil'`)).toEqual(Buffer.from('nil'));
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
