/** Ports that a gateway holds and does not use are somebody else's to have. */
import { BLOCKS_PER_SHARD, parseAddress, shardOfInside, UDP } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { Side } from './frame.ts';
import { udpOut } from './testing/traffic.ts';
import { INSIDE, TEST_CONFIG, World } from './testing/world.ts';

const { leaseMs, quarantineMs, slack, timeouts } = TEST_CONFIG;
const CONFIG = { ...TEST_CONFIG, pool: ['203.0.113.1/32'] };
const FLOW_LIFE_MS = timeouts.udpMs + slack.outageMs + slack.clockSkewMs;
const inside = { domain: 0, protocol: UDP, address: parseAddress(INSIDE), port: udpOut.fromPort };
const SHARD = shardOfInside(inside);

/** How many blocks of the shard another gateway is granted now. */
async function leasable({ store }: World): Promise<number> {
  const address = parseAddress('203.0.113.1');
  const request = { shard: SHARD, protocol: UDP, address, incarnation: 'ffffffffffffffff' };
  const [result] = await store.lease([{ ...request, blocks: BLOCKS_PER_SHARD, start: 0 }]);
  return result?.kind === 'granted' ? result.blocks.length : 0;
}

test('what lay idle for two lease lengths is given back, and is another’s at once', async () => {
  const world = new World({ config: CONFIG });
  const [gateway] = world.gateways;
  await world.send(0, Side.Inside, udpOut);
  expect(gateway!.gauges.portBlocks).toBeGreaterThan(0);
  await world.advance(FLOW_LIFE_MS + quarantineMs + slack.clockSkewMs, 5_000);
  await world.sweep();
  const held = gateway!.gauges.portBlocks;
  expect(held).toBeGreaterThan(0);
  await world.advance(3 * leaseMs, 5_000);
  expect(gateway!.gauges.portBlocks).toBe(0);
  expect(gateway!.counters.blocksReleased).toBeGreaterThanOrEqual(held);
  // No quarantine: whoever gives a block back says what it has used of it.
  expect(await leasable(world)).toBe(BLOCKS_PER_SHARD);
});

test('a block of which one port is in use is held for as long as that is', async () => {
  const world = new World({ config: CONFIG });
  const [gateway] = world.gateways;
  const [first] = await world.send(0, Side.Inside, udpOut);
  for (let ms = 0; ms < 10 * leaseMs; ms += leaseMs) {
    await world.advance(leaseMs, 5_000);
    const [next] = await world.send(0, Side.Inside, udpOut);
    expect(next!.fromPort).toBe(first!.fromPort);
  }
  expect(gateway!.gauges.portBlocks).toBeGreaterThan(0);
  expect(await leasable(world)).toBeLessThan(BLOCKS_PER_SHARD);
});
