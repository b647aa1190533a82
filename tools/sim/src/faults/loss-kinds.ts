/**
 * Faults that take feed, grace and more. Those that the protocol of today is not promised to
 * survive name the part they wait for: try one with `--fault NAME`, switch it on with null.
 */
import { ModelData } from '@flowstore/flow-store/testing';
import type { World } from '../world/world.ts';
import { boxOf, type FaultKind, trouble } from './kinds.ts';
import { everywhere, outage } from './store-kinds.ts';

/** All that was ever written is lost. */
const NOTHING_KEPT = Number.NEGATIVE_INFINITY;

/** A replica takes over that lags behind by `durationMs`: that much is lost. */
function losingFailover(world: World, oldLives: boolean, lagMs: number, then: () => void): void {
  const replica = world.site.cutReplica();
  const lostSinceMs = world.timeline.nowMs;
  world.timeline.after(lagMs, () => {
    world.site.failOver(replica, { oldLives, lostSinceMs });
    then();
  });
}

export const LOSS_KINDS: readonly FaultKind[] = [
  {
    name: 'storeDataLost',
    what: 'the store comes back empty',
    rate: 0.5,
    disabled: null,
    durationMs: () => [1_500, 1_500],
    begin(world) {
      const troubles = world.boxes.map((box) => trouble(box));
      world.site.failOver(new ModelData(), { oldLives: false, lostSinceMs: NOTHING_KEPT });
      return () => {
        for (const undo of troubles) undo();
      };
    },
  },
  {
    name: 'failoverLostSuffix',
    what: 'a replica takes over that missed the last writes',
    rate: 1,
    disabled: null,
    durationMs: () => [50, 3_000],
    begin(world, { durationMs }) {
      const troubles = world.boxes.map((box) => trouble(box));
      const end = () => {
        for (const undo of troubles) undo();
      };
      losingFailover(world, false, durationMs, () => world.timeline.after(1_500, end));
      return undefined;
    },
  },
  {
    name: 'isolatedOldMaster',
    what: 'a replica takes over, and the old master, if replicas matter, still answers one gateway',
    rate: 0.5,
    disabled: null,
    durationMs: ({ leaseMs }) => [1_000, leaseMs],
    begin(world, event) {
      const box = boxOf(world, event);
      const undo = trouble(box);
      // What the others had sent is still executed by the old one, and lost.
      const others = world.boxes.filter((one) => one !== box).map((one) => trouble(one));
      world.timeline.after(1_500, () => {
        for (const undoOther of others) undoOther();
      });
      const { site } = world;
      const old = site.master;
      const oldLives = world.plan.config.minReplicas > 0;
      site.failOver(site.cutReplica(), { oldLives });
      if (oldLives) box.link.pinned = old;
      return () => {
        if (box.link.pinned === old) box.link.pinned = null;
        old.alive = false;
        undo();
      };
    },
  },
  {
    name: 'storeAwayLong',
    what: 'nobody reaches the store for longer than cache lease and slack',
    rate: 0.5,
    disabled: null,
    durationMs: ({ cacheLeaseMs, slack }) => [cacheLeaseMs, slack.outageMs * 2],
    begin(world) {
      const undo = everywhere(world, 'away', 1);
      const calmAgain = outage(world);
      return () => {
        undo();
        calmAgain();
      };
    },
  },
  {
    name: 'feedTrimmed',
    what: 'the feeds lose their beginnings: a replica with feeds of its own takes over',
    rate: 0.5,
    disabled: null,
    durationMs: () => [1_500, 1_500],
    begin(world) {
      const { site } = world;
      const troubles = world.boxes.map((box) => trouble(box));
      site.failOver(withoutFeeds(site.master.model.data), { oldLives: false });
      return () => {
        for (const undo of troubles) undo();
      };
    },
  },
];

function withoutFeeds(data: ModelData): ModelData {
  const copy = data.clone();
  const empty = new ModelData();
  for (const [i, shard] of copy.shards.entries()) {
    if (!('feed' in shard)) continue;
    Object.assign(shard, { feed: (empty.shards[i] as { feed?: unknown }).feed });
  }
  return copy;
}
