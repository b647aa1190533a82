import { ANY_PORT, BLOCK_PORTS, BLOCKS_PER_SHARD, blockOfPort, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import { created, GATEWAY_1, GATEWAY_2, POOL, type Scenario, SHARD, udp } from './scenario.ts';

const QUARANTINE_MS = 125_000;
const ANY = { address: POOL, port: ANY_PORT };

export function singleTests(current: () => Scenario): void {
  const lease = async (blocks: number, incarnation = GATEWAY_2) => {
    const range = { shard: SHARD, protocol: UDP, address: POOL };
    const [result] = await current().store.lease([{ ...range, incarnation, blocks, start: 0 }]);
    return result?.kind === 'granted' ? result.blocks : [];
  };
  const openAny = (n: number) => current().open(udp(n), { proposal: ANY });

  it('chooses a port where none is proposed, and only one of the shard', async () => {
    const s = current();
    const { outside } = created(await openAny(0));
    expect(await s.findOutside(UDP, outside)).toMatchObject({ entry: { inside: udp(0) } });
    expect(outside.address).toEqual(POOL);
  });

  it('chooses no port of a block that is leased, and every other one', async () => {
    const leased = await lease(BLOCKS_PER_SHARD - 1);
    const ports = new Set<number>();
    for (let n = 0; n < BLOCK_PORTS; n++) ports.add(created(await openAny(n)).outside.port);
    expect(ports.size).toBe(BLOCK_PORTS);
    const blocks = new Set([...ports].map(blockOfPort));
    expect(blocks.size).toBe(1);
    expect(leased.map(({ block }) => block)).not.toContain([...blocks][0]);
    expect(await openAny(BLOCK_PORTS)).toEqual({ kind: 'exhausted' });
  });

  it('neither leases nor chooses a port of a block that is reserved', async () => {
    const s = current();
    const all = await lease(BLOCKS_PER_SHARD);
    for (const block of all) await s.store.release([{ ...block, incarnation: GATEWAY_2 }]);
    const [open, ...reserved] = all.map(({ block }) => block);
    const range = { shard: SHARD, protocol: UDP, address: POOL, incarnation: GATEWAY_2 };
    const request = { ...range, blocks: BLOCKS_PER_SHARD, start: 7, reserved };
    for (let n = 0; n < BLOCK_PORTS; n++) {
      const { outside } = created(await s.open(udp(n), { proposal: ANY, reserved }));
      expect(blockOfPort(outside.port)).toBe(open);
    }
    expect(await s.open(udp(BLOCK_PORTS), { proposal: ANY, reserved })).toEqual({
      kind: 'exhausted',
    });
    expect(await s.store.lease([request])).toEqual([{ kind: 'exhausted' }]);
    const rest = reserved.filter((block) => block !== reserved[3]);
    const [result] = await s.store.lease([{ ...request, reserved: rest }]);
    expect(result).toMatchObject({ kind: 'granted', blocks: [{ block: reserved[3] }] });
  });

  it('gives every port to one only, in one batch as well', async () => {
    const s = current();
    await lease(BLOCKS_PER_SHARD - 1);
    const openings = Array.from({ length: BLOCK_PORTS + 1 }, (_, n) =>
      s.opening(udp(n), { proposal: ANY }),
    );
    const results = (await s.store.open(openings)).map((result) => result!);
    expect(results.at(-1)).toEqual({ kind: 'exhausted' });
    const ports = results.slice(0, -1).map((result) => created(result).outside.port);
    expect(new Set(ports).size).toBe(BLOCK_PORTS);
  });

  it('keeps a port in quarantine from others, and then chooses it again', async () => {
    const s = current();
    await lease(BLOCKS_PER_SHARD - 1);
    const entries = [];
    for (let n = 0; n < BLOCK_PORTS; n++) entries.push(created(await openAny(n)));
    const { inside, outside, binding } = entries[3]!;
    expect((await s.close(inside, null, binding.identity)).kind).toBe('closed');
    expect(await openAny(BLOCK_PORTS)).toEqual({ kind: 'exhausted' });
    await s.harness.advance(QUARANTINE_MS);
    expect(created(await openAny(BLOCK_PORTS)).outside).toEqual(outside);
  });

  it('gives the same answer when it is told again, and joins what is there', async () => {
    const s = current();
    const request = s.opening(udp(), { proposal: ANY });
    const [first] = await s.store.open([request]);
    const [again] = await s.store.open([request]);
    expect(again).toEqual(first);
    const other = await s.open(udp(), { proposal: ANY });
    expect(other).toMatchObject({ kind: 'exists', entry: { outside: created(first!).outside } });
  });

  it('leaves the rest of a block that it chose from to be leased', async () => {
    const { outside } = created(await openAny(0));
    const blocks = await lease(BLOCKS_PER_SHARD, GATEWAY_1);
    const block = blocks.find((one) => one.block === blockOfPort(outside.port));
    expect(block?.freePorts).toBe(0xffff & ~(1 << (outside.port % BLOCK_PORTS)));
    expect(await openAny(1)).toEqual({ kind: 'exhausted' });
  });

  it('chooses none of a lease that just ran out: its holder may have used it', async () => {
    const s = current();
    await lease(BLOCKS_PER_SHARD);
    await s.harness.advance(90_000);
    expect(await openAny(0)).toEqual({ kind: 'exhausted' });
    await s.harness.advance(QUARANTINE_MS);
    expect((await openAny(0)).kind).toBe('created');
  });

  it('chooses none while no blocks are granted', async () => {
    const s = current();
    await s.harness.changeServer();
    expect(await openAny(0)).toEqual({ kind: 'noBinding' });
  });
}
