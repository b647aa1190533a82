import { describe, expect, test } from 'vitest';
import type { NetlinkMessage } from './message.ts';
import { Mirror, type Part } from './mirror.ts';

const MAC = { high: 1, low: 2 };
const news = { sequence: 0, multi: false, interrupted: false };

type Dump = { type: number; sequence: number };

function dumped(dump: Dump) {
  return { sequence: dump.sequence, multi: true, interrupted: false };
}

function link(index: number, up = true, removed = false): NetlinkMessage {
  return { kind: 'link', removed, index, name: `r${index}`, up, mtu: 1500, mac: MAC, ...news };
}

function route(index: number): NetlinkMessage {
  const hops = [{ index, gateway: 0, weight: 1 }];
  const prefix = { destination: 0, prefixBits: 0, metric: 0, unicast: true };
  return { kind: 'route', removed: false, ...prefix, hops, ...news };
}

function neighbour(address: number, removed = false): NetlinkMessage {
  return { kind: 'neighbour', removed, index: 1, address, state: 2, mac: MAC, ...news };
}

function done(dump: Dump): NetlinkMessage {
  return { kind: 'done', errno: 0, ...dumped(dump) };
}

/** Answers every dump with what the maker gives, until nothing is due at that time. */
function settle(mirror: Mirror, nowMs: number, entries: (type: number) => NetlinkMessage[]) {
  const types: number[] = [];
  for (let dump = mirror.nextDump(nowMs); dump !== undefined; dump = mirror.nextDump(nowMs)) {
    types.push(dump.type);
    for (const entry of entries(dump.type)) mirror.apply({ ...entry, ...dumped(dump) }, nowMs);
    mirror.apply(done(dump), nowMs);
  }
  return types;
}

const LINKS = 18;
const ADDRESSES = 22;
const ROUTES = 26;
const NEIGHBOURS = 30;

function filled(changes: Part[] = []): Mirror {
  const mirror = new Mirror((part) => changes.push(part));
  settle(mirror, 0, (type) => {
    if (type === LINKS) return [link(1), link(2)];
    if (type === NEIGHBOURS) return [neighbour(10)];
    return type === ROUTES ? [route(1), route(2)] : [];
  });
  return mirror;
}

describe('the mirror of the kernel tables', () => {
  test('reads every part once, then nothing until it has to', () => {
    const changes: Part[] = [];
    const mirror = new Mirror((part) => changes.push(part));
    expect(mirror.complete).toBe(false);
    const order = settle(mirror, 0, () => []);
    expect(order).toEqual([LINKS, ADDRESSES, NEIGHBOURS, ROUTES]);
    expect(changes).toEqual(['links', 'addresses', 'neighbours', 'routes']);
    expect(mirror.complete && mirror.settled).toBe(true);
    expect(settle(mirror, 59_999, () => [])).toEqual([]);
    expect(settle(mirror, 60_000, () => [])).toEqual(order);
  });

  test('news apply at once; a link takes its routes with it, so routes are read anew', () => {
    const mirror = filled();
    mirror.apply(link(2, false), 1000);
    expect(mirror.links.get(2)).toMatchObject({ up: false });
    expect(mirror.routes).toHaveLength(2);
    expect(settle(mirror, 1000, () => [route(1)])).toEqual([ROUTES]);
    expect(mirror.routes).toHaveLength(1);
  });

  test('news of a link that changed nothing change nothing', () => {
    const changes: Part[] = [];
    const mirror = filled(changes);
    changes.length = 0;
    mirror.apply(link(2), 1000);
    expect(changes).toEqual([]);
    expect(mirror.settled).toBe(true);
  });

  test('flapping routes are read ten times a second at most', () => {
    const mirror = filled();
    let dumps = 0;
    for (let nowMs = 1000; nowMs < 2000; nowMs++) {
      mirror.apply(route(1), nowMs);
      dumps += settle(mirror, nowMs, () => []).length;
    }
    expect(dumps).toBe(10);
  });

  test('what changes while it is dumped is not overwritten by the dump', () => {
    const mirror = filled();
    mirror.lost();
    for (const type of [LINKS, ADDRESSES]) {
      const dump = mirror.nextDump(1000)!;
      expect(dump.type).toBe(type);
      mirror.apply(done(dump), 1000);
    }
    const dump = mirror.nextDump(1000)!;
    mirror.apply({ ...neighbour(10), ...dumped(dump) }, 1000);
    mirror.apply(neighbour(11), 1000);
    mirror.apply(neighbour(10, true), 1000);
    expect([...mirror.neighbours.values()].map((each) => each.address)).toEqual([11]);
    mirror.apply(done(dump), 1000);
    expect([...mirror.neighbours.values()].map((each) => each.address)).toEqual([11]);
  });

  test('an interrupted dump is repeated, the old table stays meanwhile', () => {
    const mirror = filled();
    mirror.apply(route(1), 1000);
    const dump = mirror.nextDump(1000)!;
    mirror.apply({ ...route(1), ...dumped(dump), interrupted: true }, 1000);
    mirror.apply(done(dump), 1000);
    expect(mirror.routes).toHaveLength(2);
    expect(mirror.counters.dumpsFailed).toBe(1);
    expect(mirror.nextDump(1099)).toBe(undefined);
    expect(settle(mirror, 1100, () => [route(1)])).toEqual([ROUTES]);
    expect(mirror.routes).toHaveLength(1);
  });

  test('a dump that is refused or never ends is asked for again', () => {
    const mirror = filled();
    mirror.apply(route(1), 1000);
    const refused = mirror.nextDump(1000)!;
    mirror.apply({ kind: 'error', errno: 16, ...dumped(refused) }, 1000);
    const unanswered = mirror.nextDump(1100)!;
    expect(mirror.nextDump(6099)).toBe(undefined);
    expect(mirror.nextDump(6100)).toBe(undefined);
    const again = mirror.nextDump(6200)!;
    // The late answer to the one that was given up is not mistaken for this one's.
    mirror.apply({ ...route(3), ...dumped(unanswered) }, 6200);
    mirror.apply(done(unanswered), 6200);
    expect(mirror.settled).toBe(false);
    mirror.apply(done(again), 6200);
    expect(mirror.settled).toBe(true);
    expect(mirror.routes).toEqual([]);
    expect(mirror.counters.dumpsFailed).toBe(2);
  });

  test('after an overrun everything is read anew; a dump that was under way does not count', () => {
    const mirror = filled();
    mirror.apply(route(1), 1000);
    const dump = mirror.nextDump(1000)!;
    mirror.apply({ kind: 'overrun', ...news }, 1000);
    mirror.apply(done(dump), 1000);
    expect(mirror.routes).toHaveLength(2);
    const types = settle(mirror, 1100, () => []);
    expect(types).toEqual([LINKS, ADDRESSES, NEIGHBOURS, ROUTES]);
    expect(mirror.counters.overruns).toBe(1);
  });

  test('a part that is full leaves out what comes next and counts it', () => {
    const mirror = filled();
    for (let index = 3; index <= 4100; index++) mirror.apply(link(index), 1000);
    expect(mirror.links.size).toBe(4096);
    expect(mirror.counters.entriesOverLimit).toBe(4);
    mirror.apply(link(5, false), 1000);
    expect(mirror.links.get(5)).toMatchObject({ up: false });
  });
});
