import { IN_DATA, OUT_DATA, OUT_SYN, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import type { FeedTail, StoredEntry } from '../contract.ts';
import { CONFORMANCE_CONFIG } from './harness.ts';
import {
  created,
  GATEWAY_1,
  GATEWAY_2,
  hear,
  OTHER_WEB,
  POOL,
  pass,
  portOf,
  type Scenario,
  SHARD,
  seen,
  tcp,
  udp,
  WEB,
} from './scenario.ts';

const { heartbeatMs, leaseMs, quarantineMs, slack } = CONFORMANCE_CONFIG;
const ESTABLISHED = seen(OUT_SYN | OUT_DATA | IN_DATA);

/** Another server took over, and one binding was lost with its port's row. */
async function failover(s: Scenario, { inside, outside }: StoredEntry): Promise<void> {
  await s.harness.loseEntry(inside);
  await s.harness.loseBlock(inside.protocol, outside);
  await s.harness.changeServer();
}

async function reassert(
  s: Scenario,
  entry: StoredEntry,
  remote = entry.flow === null ? null : WEB,
  replaces: StoredEntry | null = null,
) {
  const { inside, outside } = entry;
  const request = { inside, remote, outside, identity: identityOf(entry), seen: ESTABLISHED };
  const [result] = await s.store.reassert([
    { ...request, replaces: replaces?.binding.identity ?? null },
  ]);
  return result!;
}

/** The same, to replace another binding. */
function replace(s: Scenario, entry: StoredEntry, other: StoredEntry) {
  return reassert(s, entry, entry.flow === null ? null : WEB, other);
}

const identityOf = ({ flow, binding }: StoredEntry) => (flow ?? binding).identity;

/** The binding is lost, and somebody who did not know it opens another one in grace. */
async function openMeanwhile(s: Scenario, old: StoredEntry, to = OTHER_WEB) {
  await s.harness.advance(heartbeatMs);
  await failover(s, old);
  await hear(s);
  const { inside, outside } = old;
  const block = await s.store.renew([{ ...blockOf(old), incarnation: GATEWAY_2 }]);
  expect(block).toMatchObject([{ kind: 'renewed', rowsAreSure: false }]);
  const [feed] = await s.store.feed([
    { shard: SHARD, incarnation: GATEWAY_2, last: null, nonce: 2 },
  ]);
  const proposal = { ...outside, port: outside.port ^ 1 };
  const remote = inside.protocol === UDP ? null : to;
  const young = created(await s.open(inside, { proposal, remote, incarnation: GATEWAY_2 }));
  return { young, tail: feed!.tail };
}

function closeIdle(s: Scenario, { inside, flow, binding }: StoredEntry) {
  const [remote, { identity }] = flow === null ? [null, binding] : [WEB, flow];
  return s.close(inside, remote, identity, 'idle');
}

const lease = (incarnation = GATEWAY_1, start = 5) => ({
  shard: SHARD,
  protocol: UDP,
  address: POOL,
  incarnation,
  blocks: 1,
  start,
});

export function graceTests(current: () => Scenario): void {
  it('is not in a new deployment, nor while somebody is heard', async () => {
    const s = current();
    expect(await hear(s)).toBe(false);
    await pass(s, 10 * heartbeatMs);
    expect(await hear(s)).toBe(false);
    expect(await s.find(udp())).toEqual({ kind: 'no' });
  });

  it('comes with another server, goes a lease length after a gateway was heard', async () => {
    const s = current();
    await hear(s);
    await s.harness.changeServer();
    expect(await s.find(udp())).toEqual({ kind: 'notYet' });
    await s.harness.advance(2 * heartbeatMs);
    expect(await hear(s)).toBe(true);
    await pass(s, leaseMs - 1);
    expect(await s.find(udp())).toEqual({ kind: 'notYet' });
    await pass(s, 1);
    expect(await s.find(udp())).toEqual({ kind: 'no' });
    expect(await hear(s)).toBe(false);
  });

  it('comes after a silence of all gateways', async () => {
    const s = current();
    await hear(s);
    await s.harness.advance(3 * heartbeatMs);
    expect(await s.find(udp())).toEqual({ kind: 'no' });
    await s.harness.advance(1);
    expect(await s.find(udp())).toEqual({ kind: 'notYet' });
    expect(await hear(s)).toBe(true);
  });

  it('grants nothing, until what may have been bound is out of quarantine', async () => {
    const s = current();
    await hear(s);
    await s.harness.changeServer();
    await hear(s);
    await pass(s, leaseMs);
    expect(await s.store.lease([lease()])).toEqual([{ kind: 'notYet' }]);
    await pass(s, quarantineMs + slack.clockSkewMs - leaseMs);
    expect((await s.store.lease([lease()]))[0]!.kind).toBe('granted');
  });

  it('sweeps nothing, but sweeps on when nobody was heard for a lease length', async () => {
    const s = current();
    await s.bound(udp());
    await pass(s, 600_000);
    await s.harness.changeServer();
    expect(await s.sweep()).toMatchObject({ inGrace: true, bindingsDeleted: 0 });
    await s.harness.advance(leaseMs + 1);
    expect(await s.sweep()).toMatchObject({ inGrace: false, bindingsDeleted: 1 });
  });

  it('ends nothing for being idle: others may not have said what they saw', async () => {
    const s = current();
    const open = [await s.bound(udp()), await s.bound(tcp())];
    await pass(s, 600_000);
    await s.harness.changeServer();
    for (const entry of open) expect(await closeIdle(s, entry)).toEqual({ kind: 'notYet' });
    await hear(s);
    await pass(s, leaseMs);
    for (const entry of open) expect(await closeIdle(s, entry)).toEqual({ kind: 'closed' });
  });

  it('replaces no binding that others may know to live', async () => {
    const s = current();
    const bindings = [await s.bound(udp()), await s.bound(tcp())];
    await pass(s, 600_000);
    await s.harness.changeServer();
    for (const { inside, outside, binding } of bindings) {
      const remote = inside.protocol === UDP ? null : OTHER_WEB;
      const opened = await s.open(inside, { remote });
      expect(opened).toMatchObject({ entry: { outside, binding: { identity: binding.identity } } });
    }
    const [, other] = bindings;
    expect((await reassert(s, other!)).kind).toBe('restored');
  });

  it('is a gap in the feed, one after the other', async () => {
    const s = current();
    const gaps: FeedTail[] = [];
    const read = async (last: FeedTail | null) => {
      const [result] = await s.store.feed([
        { shard: SHARD, incarnation: GATEWAY_1, last, nonce: 1 },
      ]);
      if (result!.kind === 'gap') gaps.push(result!.tail);
      return result!.tail;
    };
    let last = await read(null);
    for (let server = 0; server < 2; server++) {
      await s.harness.advance(heartbeatMs);
      await s.harness.changeServer();
      last = await read(last);
    }
    last = await read(last);
    expect(gaps).toHaveLength(3);
  });

  it('lets a holder put back what was lost, under its old identity', async () => {
    const s = current();
    for (const entry of [await s.bound(udp()), await s.bound(tcp())]) {
      await failover(s, entry);
      const identity = (entry.flow ?? entry.binding).identity;
      for (let twice = 0; twice < 2; twice++) {
        expect(await reassert(s, entry)).toMatchObject({ kind: 'restored', flow: { identity } });
      }
      const { protocol } = entry.inside;
      const remote = entry.flow === null ? null : WEB;
      const found = await s.findOutside(protocol, entry.outside, remote);
      expect(found).toMatchObject({ kind: 'entry', entry: { inside: entry.inside } });
    }
  });

  it('lets two holders put back two flows of one binding', async () => {
    const s = current();
    const first = await s.bound(tcp());
    const second = created(await s.open(tcp(), { remote: OTHER_WEB }));
    await failover(s, first);
    expect((await reassert(s, second, OTHER_WEB)).kind).toBe('restored');
    expect((await reassert(s, first)).kind).toBe('restored');
    const unknown = { ...WEB, port: 8_080 };
    expect(await s.find(tcp(), unknown)).toEqual({ kind: 'notYet' });
    expect((await s.find(tcp())).kind).toBe('entry');
    const found = await s.find(tcp(), WEB);
    expect(found).toMatchObject({
      kind: 'entry',
      entry: { flow: { identity: first.flow!.identity } },
    });
  });

  it('lets a connection win that lives over a binding that was opened meanwhile', async () => {
    const s = current();
    const old = await s.bound(tcp());
    const { young } = await openMeanwhile(s, old);
    // What is stored wins, unless its holder was told of it.
    const stored = { kind: 'exists', entry: { outside: young.outside } };
    expect(await reassert(s, old)).toMatchObject(stored);
    expect(await replace(s, old, old)).toMatchObject(stored);
    const restored = { kind: 'restored', flow: { identity: identityOf(old) } };
    for (let twice = 0; twice < 2; twice++) {
      expect(await replace(s, old, young)).toMatchObject(restored);
    }
    const { outside } = old;
    expect(await s.find(tcp())).toMatchObject({ kind: 'entry', entry: { outside } });
    // The other one's port is in quarantine, and who opens what was lost joins the older one.
    const { outside: proposal } = young;
    const taken = await s.open(tcp(9), { proposal, incarnation: GATEWAY_2 });
    expect(taken.kind).toBe('portTaken');
    const again = await s.open(tcp(), { remote: OTHER_WEB });
    expect(again).toMatchObject({ entry: { outside } });
  });

  it('lets what is stored win, of UDP: its packets go the new way', async () => {
    const s = current();
    const old = await s.bound(udp());
    const { young } = await openMeanwhile(s, old);
    expect(await replace(s, old, young)).toMatchObject({
      kind: 'exists',
      entry: { outside: young.outside, binding: { identity: identityOf(young) } },
    });
  });

  it('tells of the binding that was opened meanwhile and is no more', async () => {
    const s = current();
    const old = await s.bound(tcp());
    const { young, tail } = await openMeanwhile(s, old);
    await replace(s, old, young);
    const ask = { shard: SHARD, incarnation: GATEWAY_2, last: tail, nonce: 3 };
    const [feed] = await s.store.feed([ask]);
    const { outside } = young;
    const voids = { kind: 'void', outside, remote: null };
    expect(feed).toMatchObject({
      events: expect.arrayContaining([expect.objectContaining(voids)]),
    });
  });

  it('lets a binding win that was opened meanwhile over one that is as good as over', async () => {
    const closing = { ...ESTABLISHED, ageMs: 5, rstAgeMs: 0 };
    const idle = { ...ESTABLISHED, ageMs: 4_000_000_000 };
    const s = current();
    const old = await s.bound(tcp());
    const { young } = await openMeanwhile(s, old);
    const { inside, outside } = old;
    const { identity: replaces } = young.binding;
    const request = { inside, remote: WEB, outside, identity: identityOf(old), replaces };
    const asked = [closing, idle].map((sighting) => ({ ...request, seen: sighting }));
    for (const answer of await s.store.reassert(asked)) {
      expect(answer).toMatchObject({ kind: 'exists', entry: { outside: young.outside } });
    }
  });

  it('lets what is stored win that was opened before, whoever knows of it', async () => {
    const s = current();
    const stored = await s.bound(tcp(), { remote: OTHER_WEB });
    await s.harness.advance(heartbeatMs);
    await s.harness.changeServer();
    const { generation, nonce } = stored.flow!.identity;
    const former = { ...stored.flow!, identity: { generation: generation - 1, nonce } };
    const outside = { ...stored.outside, port: stored.outside.port ^ 1 };
    const answer = await replace(s, { ...stored, outside, flow: former }, stored);
    expect(answer).toMatchObject({ kind: 'exists', entry: { outside: stored.outside } });
  });

  it('lets a connection win that its host opened anew', async () => {
    const s = current();
    const old = await s.bound(tcp());
    const { young } = await openMeanwhile(s, old, WEB);
    expect(await replace(s, old, young)).toMatchObject({
      kind: 'exists',
      entry: { outside: young.outside, flow: { identity: identityOf(young) } },
    });
  });

  it('restores lost leases to whoever renews or opens first, and to one only', async () => {
    const s = current();
    const entry = await s.bound(udp());
    await failover(s, entry);
    const ref = blockOf(entry);
    expect(await s.store.renew([{ ...ref, incarnation: GATEWAY_1 }])).toMatchObject([
      { kind: 'renewed', rowsAreSure: false },
    ]);
    expect(await s.store.renew([{ ...ref, incarnation: GATEWAY_2 }])).toEqual([
      { kind: 'leaseLost' },
    ]);
    await s.harness.loseBlock(UDP, entry.outside);
    const proposal = entry.outside;
    const opened = await s.open(udp(1), { proposal, incarnation: GATEWAY_2 });
    expect(opened.kind).toBe('created');
    expect(await s.store.renew([{ ...ref, incarnation: GATEWAY_1 }])).toEqual([
      { kind: 'leaseLost' },
    ]);
  });

  it('believes the holder of a lease that ran out while nobody was heard', async () => {
    const s = current();
    const { outside } = await s.bound(udp());
    await hear(s);
    const proposal = { ...outside, port: outside.port ^ 1 };
    await s.harness.advance(leaseMs + quarantineMs);
    expect((await s.open(udp(1), { proposal })).kind).toBe('created');
    await s.harness.advance(leaseMs + 4 * heartbeatMs);
    // Swept: the lease is gone, and its ports without a row are in quarantine.
    await s.sweep();
    const next = { ...outside, port: outside.port ^ 2 };
    expect((await s.open(udp(2), { proposal: next })).kind).toBe('created');
    expect((await s.open(udp(3), { proposal: next })).kind).toBe('portTaken');
    await hear(s);
    await pass(s, leaseMs);
    const late = { ...outside, port: outside.port ^ 4 };
    expect((await s.open(udp(4), { proposal: late })).kind).not.toBe('created');
  });

  it('puts nothing back once it is over, and nothing on a port that is taken', async () => {
    const s = current();
    const entry = await s.bound(udp());
    await s.harness.loseEntry(udp());
    expect((await reassert(s, entry)).kind).toBe('tooLate');
    await s.harness.loseBlock(UDP, entry.outside);
    await s.harness.changeServer();
    await s.open(udp(1), { proposal: entry.outside });
    expect((await reassert(s, entry)).kind).toBe('tooLate');
    expect(await s.findOutside(UDP, entry.outside)).toMatchObject({ entry: { inside: udp(1) } });
  });

  it('puts one of two back that claim the same port in one batch', async () => {
    const s = current();
    const entry = await s.bound(udp());
    await failover(s, entry);
    const { outside, binding } = entry;
    const claims = [udp(), udp(1)].map((inside) => {
      return { inside, remote: null, outside, identity: binding.identity, seen: ESTABLISHED };
    });
    const results = await s.store.reassert(claims);
    expect(results.map((result) => result!.kind)).toEqual(['restored', 'tooLate']);
    expect(await s.findOutside(UDP, outside)).toMatchObject({ entry: { inside: udp() } });
    expect(await s.find(udp(1))).toEqual({ kind: 'notYet' });
  });

  it('lets the holder of a later incarnation put it in the place of a former one', async () => {
    const s = current();
    const former = await s.bound(tcp());
    await s.harness.changeServer();
    const { generation, nonce } = former.flow!.identity;
    const identity = { generation: generation + 1, nonce: nonce ^ 1 };
    const { inside, outside } = former;
    const ask = (one: typeof identity) =>
      s.store.reassert([{ inside, remote: WEB, outside, identity: one, seen: ESTABLISHED }]);
    expect(await ask(identity)).toMatchObject([{ kind: 'restored', flow: { identity } }]);
    expect(await ask(former.flow!.identity)).toMatchObject([
      { kind: 'exists', entry: { flow: { identity } } },
    ]);
  });

  it('adds what was seen of a connection that another master opened anew', async () => {
    const s = current();
    const { inside, outside, flow } = await s.bound(tcp());
    const { lifeMs } = flow!;
    await s.harness.changeServer();
    const { generation, nonce } = flow!.identity;
    const identity = { generation: generation - 1, nonce: nonce ^ 1 };
    const ask = (seen: typeof ESTABLISHED) =>
      s.store.reassert([{ inside, remote: WEB, outside, identity, seen }]);
    const closed = { ...ESTABLISHED, ageMs: 5, rstAgeMs: 0 };
    const [before] = await ask(closed);
    expect(before).toMatchObject({ kind: 'exists', entry: { flow: { identity: flow!.identity } } });
    expect((before as { entry: StoredEntry }).entry.flow!.lifeMs).toBeLessThanOrEqual(lifeMs);
    const [after] = await ask(ESTABLISHED);
    expect(after).toMatchObject({ kind: 'exists', entry: { flow: { identity: flow!.identity } } });
    expect((after as { entry: StoredEntry }).entry.flow!.lifeMs).toBeGreaterThan(2 * lifeMs);
  });

  it('lets a binding go on under its later identity, where a former one came back', async () => {
    const s = current();
    const { inside, outside, binding } = await s.bound(udp());
    await s.harness.changeServer();
    const { generation, nonce } = binding.identity;
    const identity = { generation: generation + 1, nonce: nonce ^ 1 };
    const ask = (one: typeof identity, at = outside) =>
      s.store.reassert([{ inside, remote: null, outside: at, identity: one, seen: ESTABLISHED }]);
    const elsewhere = { ...outside, port: outside.port ^ 1 };
    expect(await ask(identity, elsewhere)).toMatchObject([{ kind: 'exists' }]);
    expect(await ask(identity)).toMatchObject([{ kind: 'restored', flow: { identity } }]);
    expect(await ask(binding.identity)).toMatchObject([
      { kind: 'exists', entry: { binding: { identity } } },
    ]);
    const found = { kind: 'entry', entry: { outside, binding: { identity } } };
    expect(await s.find(inside)).toMatchObject(found);
    expect(await s.findOutside(UDP, outside)).toMatchObject(found);
  });

  it('gives new generations above those that were put back', async () => {
    const s = current();
    const entry = await s.bound(udp());
    await failover(s, entry);
    const { generation, nonce } = entry.binding.identity;
    const ahead = { generation: generation + 10_000_000, nonce };
    const request = { inside: udp(), remote: null, outside: entry.outside, identity: ahead };
    await s.store.reassert([{ ...request, seen: ESTABLISHED }]);
    await s.store.renew([{ ...blockOf(entry), incarnation: GATEWAY_1 }]);
    const port = entry.outside.port ^ 1;
    const next = created(await s.open(udp(1), { proposal: { ...entry.outside, port } }));
    expect(next.binding.identity.generation).toBeGreaterThan(ahead.generation);
  });
}

function blockOf({ inside, outside }: StoredEntry) {
  const { protocol } = inside;
  const block = Math.floor((outside.port - 1_024) / 16);
  const ref = { protocol, address: outside.address, block };
  expect(portOf({ ...ref, freePorts: 0, lifeMs: 0 }, outside.port % 16)).toEqual(outside);
  return ref;
}
