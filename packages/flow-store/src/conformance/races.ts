import { OUT_DATA, SHARDS, shardOfInside, TCP, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import type { FlowStore, OpenResult } from '../contract.ts';
import { POOL, portOf, type Scenario, SHARD, seen, tcp, udp } from './scenario.ts';

const CLIENTS = 8;

function incarnationOf(client: number): string {
  return client.toString(16).padStart(16, '0');
}

async function portsOf(store: FlowStore, client: number, protocol: number) {
  const request = { shard: SHARD, protocol, address: POOL, blocks: 1, start: client };
  const [lease] = await store.lease([{ ...request, incarnation: incarnationOf(client) }]);
  if (lease?.kind !== 'granted') throw new Error('no lease');
  return lease.blocks[0]!;
}

export function raceTests(current: () => Scenario): void {
  it.each([
    ['UDP', udp()],
    ['TCP', tcp()],
  ])('lets exactly one of many gateways bind an endpoint of %s', async (_, inside) => {
    const s = current();
    const stores = await Promise.all(Array.from({ length: CLIENTS }, () => s.harness.connect()));
    const blocks = await Promise.all(
      stores.map((store, client) => portsOf(store, client, inside.protocol)),
    );
    const results = await Promise.all(
      stores.map(async (store, client) => {
        const proposal = portOf(blocks[client]!, client);
        const incarnation = incarnationOf(client);
        const [result] = await store.open([s.opening(inside, { proposal, incarnation })]);
        return result!;
      }),
    );
    const kinds = results.map(({ kind }) => kind).sort();
    expect(kinds).toEqual(['created', ...new Array(CLIENTS - 1).fill('exists')]);
    const outsides = results.map((result) => outsideOf(result));
    expect(new Set(outsides.map(({ port }) => port)).size).toBe(1);
    await Promise.all(stores.map((store) => store.end()));
  });

  it('gives a port to one of those that propose it in one batch', async () => {
    const s = current();
    const proposal = await s.port(UDP);
    const openings = [udp(), udp(1), udp()].map((inside) => s.opening(inside, { proposal }));
    const results = await s.store.open(openings);
    expect(results.map((result) => result!.kind)).toEqual(['created', 'portTaken', 'exists']);
    expect(await s.findOutside(UDP, proposal)).toMatchObject({ entry: { inside: udp() } });
    expect(await s.find(udp(1))).toEqual({ kind: 'no' });
  });

  it('never grants a block to two gateways that ask at the same time', async () => {
    const s = current();
    const stores = await Promise.all(Array.from({ length: CLIENTS }, () => s.harness.connect()));
    const request = { shard: SHARD, protocol: UDP, address: POOL, blocks: 4, start: 9 };
    const results = await Promise.all(
      stores.map((store, client) =>
        store.lease([{ ...request, incarnation: incarnationOf(client) }]),
      ),
    );
    const numbers = results.flatMap(([result]) =>
      result?.kind === 'granted' ? result.blocks.map(({ block }) => block) : [],
    );
    expect(numbers).toHaveLength(CLIENTS * 4);
    expect(new Set(numbers).size).toBe(CLIENTS * 4);
    await Promise.all(stores.map((store) => store.end()));
  });

  it('merges what many gateways saw, whatever the order', async () => {
    const s = current();
    const { binding, outside } = await s.bound(udp(), { seen: seen(0, 50_000) });
    const stores = await Promise.all(Array.from({ length: CLIENTS }, () => s.harness.connect()));
    await Promise.all(
      stores.map((store, client) =>
        store.touch([
          {
            inside: udp(),
            outside,
            remote: null,
            identity: binding.identity,
            seen: seen(client % 2 === 0 ? OUT_DATA : 8, 100 * (client + 1)),
          },
        ]),
      ),
    );
    expect(await s.find(udp())).toMatchObject({
      entry: { binding: { flags: OUT_DATA | 8, lifeMs: 495_000 - 100 } },
    });
    await Promise.all(stores.map((store) => store.end()));
  });

  it('works on every shard', async () => {
    const s = current();
    const met = new Set<number>();
    for (let port = 1_024; met.size < SHARDS; port++) {
      const inside = { ...tcp(), port };
      const shard = shardOfInside(inside);
      if (met.has(shard)) continue;
      met.add(shard);
      const request = { shard, protocol: TCP, address: POOL, incarnation: incarnationOf(1) };
      const [lease] = await s.store.lease([{ ...request, blocks: 1, start: port }]);
      if (lease?.kind !== 'granted') throw new Error('no lease');
      const proposal = portOf(lease.blocks[0]!, 15);
      const result = await s.open(inside, { proposal, incarnation: incarnationOf(1) });
      expect(result.kind).toBe('created');
      expect(await s.findOutside(TCP, proposal)).toMatchObject({ entry: { inside } });
    }
  });
}

function outsideOf(result: OpenResult) {
  if (result.kind !== 'created' && result.kind !== 'exists') throw new Error(result.kind);
  return result.entry.outside;
}
