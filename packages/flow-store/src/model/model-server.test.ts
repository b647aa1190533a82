import { UDP } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { GATEWAY_1, JUST_NOW, POOL, portOf, SHARD, udp } from '../conformance/scenario.ts';
import { ModelServer } from './model-server.ts';

const lease = { protocol: UDP, address: POOL, incarnation: GATEWAY_1, blocks: 1, start: 0 };

function open(server: ModelServer, n: number): number {
  const [leased] = server.lease([{ shard: SHARD, ...lease }]);
  if (leased?.kind !== 'granted') throw new Error('no block');
  const request = { inside: udp(n), remote: null, incarnation: GATEWAY_1, nonce: n };
  const proposal = portOf(leased.blocks[0]!, n);
  const [opened] = server.open([{ ...request, proposal, seen: JUST_NOW, replaces: null }]);
  if (opened?.kind !== 'created') throw new Error('not opened');
  return opened.entry.binding.identity.generation;
}

const knows = (server: ModelServer, n: number) =>
  server.find([{ direction: 'inside', inside: udp(n), remote: null }])[0]!.kind;

test('a copy is what a replica holds: neither sees what the other learns afterwards', () => {
  const master = new ModelServer({ config, nowMs: () => 1_000 });
  open(master, 1);
  const replica = new ModelServer({ config, nowMs: () => 1_000, data: master.data.clone() });
  open(master, 2);
  open(replica, 3);
  expect([1, 2, 3].map((n) => knows(master, n))).toEqual(['entry', 'entry', 'no']);
  expect([1, 2, 3].map((n) => knows(replica, n))).toEqual(['entry', 'no', 'entry']);
});

test('neither shard time nor generations go back, whichever server takes over', () => {
  const master = new ModelServer({ config, nowMs: () => 10_000 });
  const first = open(master, 1);
  const replica = new ModelServer({ config, nowMs: () => 6_000, data: master.data.clone() });
  expect(open(replica, 2)).toBeGreaterThan(first);
  const [found] = replica.find([{ direction: 'inside', inside: udp(1), remote: null }]);
  const [before] = master.find([{ direction: 'inside', inside: udp(1), remote: null }]);
  expect(found).toEqual(before);
});
