/** What goes wrong between gateways, store and reaper, and is promised to be survived. */

import type { Weather } from '../world/store-link.ts';
import type { World } from '../world/world.ts';
import { awayMs, boxOf, type FaultKind, trouble } from './kinds.ts';
import type { FaultEvent } from './schedule.ts';

type Undo = () => void;

function all(...undos: Undo[]): Undo {
  return () => {
    for (const undo of undos) undo();
  };
}

function add(weather: Weather, what: keyof Weather, amount: number): Undo {
  weather[what] += amount;
  return () => {
    weather[what] -= amount;
  };
}

/** For everybody, and so for every gateway's I6. */
export function everywhere(world: World, what: keyof Weather, amount: number): Undo {
  const troubles = world.boxes.map((box) => trouble(box));
  return all(add(world.weather, what, amount), ...troubles);
}

function atOne(world: World, event: FaultEvent, what: keyof Weather, amount: number): Undo {
  const box = boxOf(world, event);
  return all(add(box.link.weather, what, amount), trouble(box));
}

export function outage(world: World): Undo {
  const { outages } = world.witness;
  for (const box of world.boxes) box.outage = true;
  outages.begin();
  return () => {
    for (const box of world.boxes) box.outage = false;
    outages.end();
  };
}

const SOME_SECONDS = () => [500, 20_000] as const;

const LINK_KINDS: readonly FaultKind[] = [
  {
    name: 'storeSlow',
    what: 'every call takes up to 1.5 s longer: many run into their timeout, and take effect',
    rate: 1,
    disabled: null,
    durationMs: SOME_SECONDS,
    begin: (world, { force }) => everywhere(world, 'slowMs', 20 + force * 1_500),
  },
  {
    name: 'storeAwayForOne',
    what: 'one gateway’s calls get lost',
    rate: 2,
    disabled: null,
    durationMs: awayMs,
    begin: (world, event) => atOne(world, event, 'away', 1),
  },
  {
    name: 'storeRefusesOne',
    what: 'one gateway’s connections to the store are refused',
    rate: 1,
    disabled: null,
    durationMs: awayMs,
    begin: (world, event) => all(atOne(world, event, 'away', 1), atOne(world, event, 'refused', 1)),
  },
  {
    name: 'storeAwayForAll',
    what: 'nobody reaches the store, for less than the cache lease',
    rate: 2,
    disabled: null,
    durationMs: ({ cacheLeaseMs }) => [200, cacheLeaseMs * 0.9],
    begin: (world, event) =>
      all(
        everywhere(world, 'away', 1),
        everywhere(world, 'refused', event.force < 0.5 ? 1 : 0),
        outage(world),
      ),
  },
  {
    name: 'scriptsTwice',
    what: 'calls run twice, the second time up to two seconds later',
    rate: 1.5,
    disabled: null,
    durationMs: SOME_SECONDS,
    begin: (world, { force }) => everywhere(world, 'runTwice', 0.05 + force * 0.9),
  },
  {
    name: 'repliesLost',
    what: 'calls take effect and their replies get lost',
    rate: 1.5,
    disabled: null,
    durationMs: SOME_SECONDS,
    begin: (world, { force }) => everywhere(world, 'loseReplies', 0.05 + force * 0.6),
  },
  {
    name: 'callsLate',
    what: 'calls hang for seconds and arrive after all, when nobody waits for them any more',
    rate: 1.5,
    disabled: null,
    durationMs: SOME_SECONDS,
    begin: (world, { force }) => everywhere(world, 'late', 0.02 + force * 0.5),
  },
];

const SERVER_KINDS: readonly FaultKind[] = [
  {
    name: 'clockJump',
    what: 'the store’s clock jumps, within maxClockSkew',
    rate: 1,
    disabled: null,
    durationMs: () => [0, 0],
    begin({ site }) {
      site.jumpClock();
      return undefined;
    },
  },
  {
    name: 'failover',
    what: 'a replica that missed nothing takes over, with a clock of its own',
    rate: 1,
    disabled: null,
    durationMs: () => [1_500, 1_500],
    begin(world) {
      const undo = all(...world.boxes.map((box) => trouble(box)));
      world.site.failOver(world.site.master.model.data.clone(), { oldLives: false });
      return undo;
    },
  },
  {
    name: 'replicaLags',
    what: 'no replica has what is written: grants and heartbeats count for nothing',
    rate: 1,
    disabled: null,
    durationMs: awayMs,
    begin(world) {
      const { master } = world.site;
      const undo = all(...world.boxes.map((box) => trouble(box)));
      master.lags++;
      return () => {
        master.lags--;
        undo();
      };
    },
  },
  {
    name: 'reaperDead',
    what: 'nobody sweeps for a while',
    rate: 1,
    disabled: null,
    durationMs: ({ quarantineMs }) => [5_000, quarantineMs * 2],
    begin({ reaper }) {
      reaper.isDead = true;
      return () => {
        reaper.isDead = false;
      };
    },
  },
  {
    name: 'reaperDoubled',
    what: 'two reapers sweep at once',
    rate: 0.5,
    disabled: null,
    durationMs: () => [5_000, 60_000],
    begin({ reaper }) {
      reaper.doubles++;
      return () => {
        reaper.doubles--;
      };
    },
  },
  {
    name: 'reaperPaused',
    what: 'the reaper stands still with its calls unsent, and sends them when it goes on',
    rate: 0.5,
    disabled: null,
    durationMs: ({ quarantineMs }) => [2_000, quarantineMs],
    begin({ reaper }) {
      reaper.paused = true;
      return () => reaper.goOn();
    },
  },
  {
    name: 'operatorCancels',
    what: 'an operator cancels a few bindings that are in use',
    rate: 2,
    disabled: null,
    durationMs: () => [0, 0],
    begin({ operator, timeline }, { force }) {
      for (let i = 0; i < 1 + force * 4; i++) timeline.after(i * 700, () => operator.cancel());
      return undefined;
    },
  },
];

export const STORE_KINDS: readonly FaultKind[] = [...LINK_KINDS, ...SERVER_KINDS];
