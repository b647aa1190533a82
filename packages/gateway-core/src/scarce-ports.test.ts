/** Sixteen gateways on one outside address: all of its ports can be used, whoever needs them. */
import { BLOCK_PORTS, BLOCKS_PER_SHARD, parseAddress, shardOfInside, UDP } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { Side } from './frame.ts';
import { INSIDE, REMOTE, TEST_CONFIG, World } from './testing/world.ts';

const SHARD = 5;
const SHARD_PORTS = BLOCKS_PER_SHARD * BLOCK_PORTS;
const GATEWAYS = 16;

/** Source ports of the host whose bindings lie in the shard. */
function* sourcePorts() {
  const endpoint = { domain: 0, protocol: UDP, address: parseAddress(INSIDE) };
  for (let port = 1_024; port < 65_536; port++) {
    if (shardOfInside({ ...endpoint, port }) === SHARD) yield port;
  }
}

/** Until a flow is refused; gives the outside ports in use by then. */
async function fill(world: World, gatewayOf: (n: number) => number): Promise<Set<number>> {
  const used = new Set<number>();
  for (const fromPort of sourcePorts()) {
    const gateway = gatewayOf(used.size);
    const udp = { protocol: UDP, from: INSIDE, fromPort, to: REMOTE, toPort: 53 };
    const sent = await world.send(gateway, Side.Inside, udp);
    if (sent.length === 0) {
      expect(world.gateways[gateway]!.counters.dropPortsExhausted).toBe(1);
      return used;
    }
    expect(used.has(sent[0]!.fromPort)).toBe(false);
    used.add(sent[0]!.fromPort);
  }
  return used;
}

function newWorld(): World {
  const config = { ...TEST_CONFIG, pool: ['203.0.113.1/32'] };
  const world = new World({ gateways: GATEWAYS, config });
  for (const gateway of world.gateways) gateway.setGateways(GATEWAYS);
  return world;
}

test('all are used before anybody is told that none is left', async () => {
  const world = newWorld();
  const used = await fill(world, () => world.random() % GATEWAYS);
  expect(used.size).toBeGreaterThan(0.98 * SHARD_PORTS);
  // Three quarters of the shard at most are leased in blocks: the store chose the rest, one by one.
  const chosen = world.gateways.map(({ counters }) => counters.portsChosenByStore);
  const inAll = chosen.reduce((sum, ports) => sum + ports, 0);
  expect(inAll).toBeGreaterThan(0.2 * SHARD_PORTS);
  expect(inAll).toBeLessThan(0.5 * SHARD_PORTS);
});

test('one gateway that has nearly all of the traffic gets nearly all of the ports', async () => {
  const world = newWorld();
  const used = await fill(world, (n) => (n % 64 === 0 ? (n / 64) % GATEWAYS : 0));
  expect(used.size).toBeGreaterThan(0.75 * SHARD_PORTS);
});
