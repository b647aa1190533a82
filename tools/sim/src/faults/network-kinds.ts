/** What goes wrong on links and at hosts. */

import type { LinkWeather } from '../world/network.ts';
import type { World } from '../world/world.ts';
import type { FaultKind } from './kinds.ts';

const SHORT = () => [1_000, 30_000] as const;

function links(world: World, what: keyof LinkWeather, amount: number): () => void {
  world.network.weather[what] += amount;
  return () => {
    world.network.weather[what] -= amount;
  };
}

export const NETWORK_KINDS: readonly FaultKind[] = [
  {
    name: 'packetLoss',
    what: 'links lose up to a third of the packets',
    rate: 2,
    disabled: null,
    durationMs: SHORT,
    begin: (world, { force }) => links(world, 'loss', 0.01 + force * 0.3),
  },
  {
    name: 'packetDuplication',
    what: 'links deliver some packets twice',
    rate: 1,
    disabled: null,
    durationMs: SHORT,
    begin: (world, { force }) => links(world, 'duplication', 0.01 + force * 0.3),
  },
  {
    name: 'packetReordering',
    what: 'links hold some packets back while later ones pass',
    rate: 1,
    disabled: null,
    durationMs: SHORT,
    begin: (world, { force }) => links(world, 'reordering', 0.01 + force * 0.5),
  },
  {
    name: 'slowLinks',
    what: 'packets take up to a third of a second',
    rate: 0.5,
    disabled: null,
    durationMs: SHORT,
    begin: (world, { force }) => links(world, 'slowMs', 10 + force * 300),
  },
  {
    name: 'asymmetricPaths',
    what: 'a router hashes anew: one direction of every flow moves to another gateway',
    rate: 2,
    disabled: null,
    durationMs: () => [500, 60_000],
    begin({ network }, { target, force }) {
      const router = network.routers[force < 0.5 ? 0 : 1];
      const before = router.hashSeed;
      router.hashSeed = target;
      return () => {
        router.hashSeed = before;
      };
    },
  },
  {
    name: 'insideHostCrash',
    what: 'an inside host crashes and comes back with no memory of its connections',
    rate: 1,
    disabled: null,
    durationMs: () => [500, 20_000],
    begin({ inside, workload, timeline }, { force }) {
      inside.crash(workload.randomInside(), timeline.nowMs + 500 + force * 20_000);
      return undefined;
    },
  },
  {
    name: 'remoteHostCrash',
    what: 'an outside host crashes and comes back with no memory of its connections',
    rate: 1,
    disabled: null,
    durationMs: () => [500, 20_000],
    begin({ remote, workload, timeline }, { force }) {
      remote.crash(workload.randomRemote(), timeline.nowMs + 500 + force * 20_000);
      return undefined;
    },
  },
];
