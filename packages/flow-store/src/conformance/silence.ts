/** After a silence of all gateways: what the store knew it knows still, if it is the same one. */
import { BLOCKS_PER_SHARD, blockOfShard, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import { CONFORMANCE_CONFIG } from './harness.ts';
import {
  created,
  GATEWAY_1,
  GATEWAY_2,
  hear,
  POOL,
  pass,
  portOf,
  Scenario,
  SHARD,
  udp,
} from './scenario.ts';

const { heartbeatMs, leaseMs, quarantineMs, slack } = CONFORMANCE_CONFIG;
/** The shortest one that counts. */
const SILENCE_MS = 3 * heartbeatMs + 1;
/** The longest one that takes nothing away. */
const LONG_MS = 3 * heartbeatMs + leaseMs;

async function silence(s: Scenario, ms = SILENCE_MS): Promise<void> {
  await hear(s);
  await s.harness.advance(ms);
}

/** Which of the shard's blocks another gateway is granted, of as many as it wants, from the first
 * on; null: none yet. */
async function granted(s: Scenario, blocks: number): Promise<number[] | null> {
  const range = { shard: SHARD, protocol: UDP, address: POOL };
  const [result] = await s.store.lease([{ ...range, incarnation: GATEWAY_2, blocks, start: 0 }]);
  if (result?.kind !== 'granted') {
    expect(result).toEqual({ kind: 'notYet' });
    return null;
  }
  const indexOf = (block: number) =>
    Array.from({ length: BLOCKS_PER_SHARD }, (_, index) => index).find(
      (index) => blockOfShard(SHARD, UDP, POOL, index) === block,
    )!;
  for (const { freePorts } of result.blocks) expect(freePorts).toBe(0xffff);
  return result.blocks.map(({ block }) => indexOf(block));
}

export function silenceTests(current: () => Scenario): void {
  it('grants what nobody has anything of, before anybody was heard and after', async () => {
    const s = current();
    await silence(s);
    expect(await granted(s, 1)).toEqual([0]);
    await hear(s);
    expect(await granted(s, 1)).toEqual([1]);
    await pass(s, leaseMs + 1);
    expect(await granted(s, 1)).toEqual([2]);
  });

  it('grants no block with a lease, be it over by now', async () => {
    const s = current();
    await s.lease(UDP);
    await pass(s, 60_000);
    await silence(s, 40_000);
    expect(await granted(s, 2)).toEqual([1, 2]);
    await hear(s);
    expect(await granted(s, 1)).toEqual([3]);
  });

  it('grants no block with a binding, or with a port in quarantine', async () => {
    const s = current();
    const bound = await s.lease(UDP);
    created(await s.open(udp(), { proposal: portOf(bound, 0) }));
    await s.store.release([{ ...bound, incarnation: GATEWAY_1 }]);
    const used = await s.lease(UDP, GATEWAY_1, 1);
    const ended = created(await s.open(udp(1), { proposal: portOf(used, 3) }));
    await s.close(udp(1), null, ended.binding.identity);
    await s.store.release([{ ...used, incarnation: GATEWAY_1 }]);
    await silence(s);
    expect(await granted(s, 2)).toEqual([2, 3]);
  });

  it('says `notYet`, and not that there are none, where others may be free later', async () => {
    const s = current();
    await s.lease(UDP);
    await silence(s);
    expect(await granted(s, BLOCKS_PER_SHARD)).toHaveLength(BLOCKS_PER_SHARD - 1);
    expect(await granted(s, 1)).toBeNull();
  });

  it('takes nothing for granted where it was so long that sweeps went on', async () => {
    const s = current();
    await silence(s, LONG_MS);
    await hear(s);
    expect(await granted(s, 1)).toEqual([0]);
    await pass(s, quarantineMs + slack.clockSkewMs);
    await silence(s, LONG_MS + 1);
    await hear(s);
    expect(await granted(s, 1)).toBeNull();
  });

  it('takes nothing for granted for longer than keys outlive what they hold', async () => {
    const s = current();
    const config = { ...CONFORMANCE_CONFIG, ttlMarginMs: 40_000 };
    const short = new Scenario(s.harness, await s.harness.connect(config));
    await silence(s, 40_001);
    expect(await granted(short, 1)).toBeNull();
    expect(await granted(s, 1)).toEqual([0]);
    await short.store.end();
  });

  it('takes nothing for granted while the next one comes before all was told', async () => {
    const s = current();
    await silence(s);
    await pass(s, leaseMs - 1);
    await silence(s);
    expect(await granted(s, 1)).toBeNull();
    await pass(s, leaseMs);
    await silence(s);
    expect(await granted(s, 1)).toBeNull();
  });

  it('takes it for granted again once grace is over, or the quarantine', async () => {
    const s = current();
    await silence(s);
    await hear(s);
    await pass(s, leaseMs);
    await silence(s);
    expect(await granted(s, 1)).toEqual([0]);
    await s.harness.changeServer();
    await hear(s);
    await pass(s, quarantineMs + slack.clockSkewMs);
    await silence(s);
    expect(await granted(s, 1)).toEqual([1]);
  });

  it('does not hide that the server was changed, before it or in it', async () => {
    const s = current();
    await hear(s);
    await s.harness.changeServer();
    await pass(s, leaseMs + 1);
    expect(await granted(s, 1)).toBeNull();
    await silence(s);
    expect(await granted(s, 1)).toBeNull();
    await pass(s, leaseMs + quarantineMs + slack.clockSkewMs);
    await silence(s);
    await s.harness.changeServer();
    expect(await granted(s, 1)).toBeNull();
  });
}
