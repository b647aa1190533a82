import { BLOCK_PORTS, BLOCKS_PER_SHARD, SHARDS, shardOfBlock, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import type { LeasedBlock } from '../contract.ts';
import {
  created,
  GATEWAY_1,
  GATEWAY_2,
  POOL,
  portOf,
  type Scenario,
  SHARD,
  udp,
} from './scenario.ts';

const LEASE_MS = 90_000;
const REPORTED_MS = 85_000;
const QUARANTINE_MS = 125_000;
const ALL_PORTS = 0xffff;

export function leaseTests(current: () => Scenario): void {
  const request = (blocks: number, incarnation = GATEWAY_1, start = 0) => ({
    shard: SHARD,
    protocol: UDP,
    address: POOL,
    incarnation,
    blocks,
    start,
  });
  const lease = async (blocks: number, incarnation = GATEWAY_1, start = 0) => {
    const [result] = await current().store.lease([request(blocks, incarnation, start)]);
    return result?.kind === 'granted' ? result.blocks : [];
  };
  const renew = async (block: LeasedBlock, incarnation: string) => {
    const [result] = await current().store.renew([{ ...block, incarnation }]);
    return result!;
  };
  const release = async (block: LeasedBlock, incarnation: string) => {
    const [result] = await current().store.release([{ ...block, incarnation }]);
    return result!;
  };

  it('grants blocks with all ports free, for the lease less the clock skew', async () => {
    const blocks = await lease(3, GATEWAY_1, 40);
    expect(blocks).toHaveLength(3);
    for (const block of blocks) {
      expect(shardOfBlock(block)).toBe(SHARD);
      expect(block).toMatchObject({ freePorts: ALL_PORTS, lifeMs: REPORTED_MS, protocol: UDP });
    }
  });

  it('begins its search at the start asked for', async () => {
    const [first] = await lease(1, GATEWAY_1, 0);
    const [tenth] = await lease(1, GATEWAY_1, 10);
    const [wrapped] = await lease(1, GATEWAY_1, 20 + 63 * 1_000_000);
    expect(tenth!.block - first!.block).toBe(10 * 64);
    expect(wrapped!.block - first!.block).toBe(20 * 64);
  });

  it('never grants one block to two, until nothing is left', async () => {
    const granted = [
      ...(await lease(40, GATEWAY_1, 7)),
      ...(await lease(40, GATEWAY_2, 7)),
      ...(await lease(40, GATEWAY_1, 7)),
    ];
    expect(new Set(granted.map(({ block }) => block)).size).toBe(BLOCKS_PER_SHARD);
    expect(granted).toHaveLength(BLOCKS_PER_SHARD);
    expect(await current().store.lease([request(1)])).toEqual([{ kind: 'exhausted' }]);
  });

  it('lets only the holder open on its ports', async () => {
    const s = current();
    const [block] = await lease(1);
    const proposal = portOf(block!, 0);
    const foreign = await s.open(udp(), { proposal, incarnation: GATEWAY_2 });
    expect(foreign).toEqual({ kind: 'leaseLost' });
    const unleased = { address: POOL, port: proposal.port + SHARDS * BLOCK_PORTS };
    expect(await s.open(udp(), { proposal: unleased })).toEqual({ kind: 'leaseLost' });
    await s.harness.advance(LEASE_MS);
    expect(await s.open(udp(), { proposal })).toEqual({ kind: 'leaseLost' });
  });

  it('renews for the holder, not for others, and not once it is over', async () => {
    const s = current();
    const [block] = await lease(1);
    expect(await renew(block!, GATEWAY_2)).toEqual({ kind: 'leaseLost' });
    await s.harness.advance(LEASE_MS - 1);
    expect(await renew(block!, GATEWAY_1)).toEqual({ kind: 'renewed', block, rowsAreSure: true });
    expect(await renew(block!, GATEWAY_1)).toEqual({ kind: 'renewed', block, rowsAreSure: true });
    await s.harness.advance(LEASE_MS);
    expect(await renew(block!, GATEWAY_1)).toEqual({ kind: 'leaseLost' });
  });

  it('tells at each renewal which ports are free', async () => {
    const s = current();
    const [block] = await lease(1);
    const entry = created(await s.open(udp(), { proposal: portOf(block!, 2) }));
    expect(await renew(block!, GATEWAY_1)).toMatchObject({ block: { freePorts: 0xfffb } });
    await s.close(udp(), null, entry.binding.identity);
    expect(await renew(block!, GATEWAY_1)).toMatchObject({ block: { freePorts: 0xfffb } });
    for (let passed = 0; passed < QUARANTINE_MS; passed += 62_500) {
      await s.harness.advance(62_500);
      await renew(block!, GATEWAY_1);
    }
    expect(await renew(block!, GATEWAY_1)).toMatchObject({ block: { freePorts: ALL_PORTS } });
  });

  it('gives released ports to the next gateway at once, but not those in use', async () => {
    const s = current();
    const [block] = await lease(1);
    const entry = created(await s.open(udp(), { proposal: portOf(block!, 1) }));
    expect(await release(block!, GATEWAY_2)).toEqual({ kind: 'leaseLost' });
    expect(await release(block!, GATEWAY_1)).toEqual({ kind: 'released' });
    expect(await release(block!, GATEWAY_1)).toEqual({ kind: 'leaseLost' });
    const [next] = await lease(1, GATEWAY_2);
    expect(next).toEqual({ ...block, freePorts: 0xfffd });
    expect(await s.find(udp())).toEqual({ kind: 'entry', entry });
  });

  it('quarantines the rowless ports of a lease that ran out, without a sweep too', async () => {
    const s = current();
    const [block] = await lease(1);
    const bound = created(await s.open(udp(), { proposal: portOf(block!, 0) }));
    await s.harness.advance(LEASE_MS);
    const others = await lease(BLOCKS_PER_SHARD, GATEWAY_2);
    expect(others).toHaveLength(BLOCKS_PER_SHARD - 1);
    expect(others.map((other) => other.block)).not.toContain(block!.block);
    await s.harness.advance(QUARANTINE_MS);
    const [later] = await lease(1, GATEWAY_2);
    expect(later).toEqual({ ...block, freePorts: 0xfffe });
    expect(await s.find(udp())).toMatchObject({ kind: 'entry', entry: { outside: bound.outside } });
  });

  it('does not grant a block that has no free port', async () => {
    const s = current();
    const [block] = await lease(1);
    for (let n = 0; n < 16; n++) created(await s.open(udp(n), { proposal: portOf(block!, n) }));
    await release(block!, GATEWAY_1);
    const [next] = await lease(1, GATEWAY_2);
    expect(next!.block).toBe(block!.block + 64);
  });
}
