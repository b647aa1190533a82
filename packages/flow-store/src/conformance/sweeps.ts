/** I5: what is over is free again, whatever died meanwhile. */
import { IN_DATA, OUT_DATA, OUT_SYN, TCP, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import {
  created,
  OTHER_WEB,
  portOf,
  type Scenario,
  seen,
  tcp,
  UDP_LIFE_MS,
  udp,
  WEB,
} from './scenario.ts';

const TRANSITORY_LIFE_MS = 415_000;
const LEASE_MS = 90_000;
const QUARANTINE_MS = 125_000;

export function sweepTests(current: () => Scenario): void {
  it('finds nothing to do in an empty shard', async () => {
    expect(await current().sweep()).toMatchObject({
      looks: 0,
      blocks: 0,
      flowsDeleted: 0,
      bindingsDeleted: 0,
      rowsOrphaned: 0,
      portsFreed: 0,
      leasesExpired: 0,
      inGrace: false,
      overdueMs: 0,
      nextDueMs: null,
    });
  });

  it('deletes what is dead, frees its port after the quarantine, and leaves nothing', async () => {
    const s = current();
    const block = await s.lease(UDP);
    created(await s.open(udp(), { proposal: portOf(block, 0) }));
    await s.harness.advance(LEASE_MS);
    expect(await s.sweep()).toMatchObject({ leasesExpired: 1, bindingsDeleted: 0 });
    await s.harness.advance(QUARANTINE_MS);
    expect(await s.sweep()).toMatchObject({ portsFreed: 15 });
    await s.harness.advance(UDP_LIFE_MS - LEASE_MS - QUARANTINE_MS);
    expect(await s.sweep()).toMatchObject({ bindingsDeleted: 1, flowsDeleted: 1 });
    expect(await s.sweep()).toMatchObject({ bindingsDeleted: 0, nextDueMs: QUARANTINE_MS });
    await s.harness.advance(QUARANTINE_MS);
    expect(await s.sweep()).toMatchObject({ portsFreed: 1, nextDueMs: null });
    expect(await s.harness.leftovers()).toBe(0);
  });

  it('does the same twice over and does nothing the second time', async () => {
    const s = current();
    await s.bound(tcp());
    await s.harness.advance(TRANSITORY_LIFE_MS);
    const first = await s.sweep();
    expect(first).toMatchObject({ flowsDeleted: 1, bindingsDeleted: 1, leasesExpired: 1 });
    const second = await s.sweep();
    expect(second).toMatchObject({ flowsDeleted: 0, bindingsDeleted: 0, leasesExpired: 0 });
  });

  it('lets live what was touched, and looks again in time', async () => {
    const s = current();
    const { binding } = await s.bound(udp());
    await s.harness.advance(UDP_LIFE_MS - 1);
    await s.touch(udp(), null, binding.identity, seen(OUT_DATA));
    await s.harness.advance(1);
    expect(await s.sweep()).toMatchObject({ bindingsDeleted: 0, leasesExpired: 1 });
    await s.harness.advance(QUARANTINE_MS);
    await s.sweep();
    await s.harness.advance(UDP_LIFE_MS - QUARANTINE_MS - 2);
    expect(await s.sweep()).toMatchObject({ bindingsDeleted: 0, nextDueMs: 1 });
    await s.harness.advance(1);
    expect(await s.sweep()).toMatchObject({ bindingsDeleted: 1 });
  });

  it('deletes the dead flows of a binding that lives', async () => {
    const s = current();
    await s.bound(tcp());
    const live = created(
      await s.open(tcp(), { remote: OTHER_WEB, seen: seen(OUT_SYN | OUT_DATA | IN_DATA) }),
    );
    await s.harness.advance(TRANSITORY_LIFE_MS);
    expect(await s.sweep()).toMatchObject({ flowsDeleted: 1, bindingsDeleted: 0 });
    const identity = { generation: 1, nonce: 1 };
    expect(await s.close(tcp(), WEB, identity)).toEqual({ kind: 'gone' });
    expect(await s.find(tcp(), OTHER_WEB)).toMatchObject({
      entry: { flow: { identity: live.flow!.identity } },
    });
  });

  it('comes back for a flow whose deadline shrank', async () => {
    const s = current();
    const { flow } = await s.bound(tcp(), { seen: seen(OUT_SYN | OUT_DATA | IN_DATA) });
    // Nothing but the flow itself must be due in the block by then.
    await s.harness.advance(LEASE_MS + QUARANTINE_MS);
    await s.sweep();
    await s.harness.advance(QUARANTINE_MS);
    expect((await s.sweep()).nextDueMs).toBeGreaterThan(TRANSITORY_LIFE_MS);
    await s.touch(tcp(), WEB, flow!.identity, { flags: 0, ageMs: null, rstAgeMs: 0 });
    await s.harness.advance(TRANSITORY_LIFE_MS);
    expect(await s.sweep()).toMatchObject({ flowsDeleted: 1, bindingsDeleted: 1 });
  });

  it('marks rows whose entry was lost, and frees them after the quarantine', async () => {
    const s = current();
    await s.bound(udp());
    await s.harness.loseEntry(udp());
    await s.harness.advance(UDP_LIFE_MS);
    expect(await s.sweep()).toMatchObject({ rowsOrphaned: 1, bindingsDeleted: 0 });
    await s.harness.advance(QUARANTINE_MS);
    expect(await s.sweep()).toMatchObject({ portsFreed: 16, nextDueMs: null });
    expect(await s.harness.leftovers()).toBe(0);
  });

  it('marks a row whose inside endpoint is bound elsewhere, and leaves that binding', async () => {
    const s = current();
    const block = await s.lease(UDP);
    created(await s.open(udp(), { proposal: portOf(block, 0) }));
    await s.harness.loseEntry(udp());
    const entry = created(await s.open(udp(), { proposal: portOf(block, 1) }));
    await s.harness.advance(LEASE_MS);
    expect(await s.sweep()).toMatchObject({ rowsOrphaned: 1, bindingsDeleted: 0 });
    expect(await s.findOutside(UDP, entry.outside)).toMatchObject({
      entry: { inside: udp(), binding: { identity: entry.binding.identity } },
    });
  });

  it('ends where its looks are used up, to be called again', async () => {
    const s = current();
    for (let n = 0; n < 5; n++) {
      const block = await s.lease(UDP);
      created(await s.open(udp(n), { proposal: portOf(block, 0) }));
    }
    await s.harness.advance(UDP_LIFE_MS + 10);
    // The first look at a block finds its lease over, too: its other ports begin a quarantine.
    const first = await s.sweep(2);
    expect(first).toMatchObject({ looks: 2, blocks: 2, bindingsDeleted: 2, nextDueMs: 0 });
    expect(first.overdueMs).toBeGreaterThanOrEqual(10);
    expect(await s.sweep(2)).toMatchObject({ blocks: 2, nextDueMs: 0 });
    expect(await s.sweep(2)).toMatchObject({ blocks: 1, nextDueMs: QUARANTINE_MS });
  });

  it('goes on within a block, whoever makes the next call', async () => {
    const s = current();
    const block = await s.lease(UDP);
    for (let n = 0; n < 5; n++) {
      created(await s.open(udp(n), { proposal: portOf(block, 15 - n) }));
    }
    await s.harness.advance(UDP_LIFE_MS);
    const first = { looks: 2, bindingsDeleted: 2, leasesExpired: 0, nextDueMs: 0 };
    expect(await s.sweep(2)).toMatchObject(first);
    expect(await s.find(udp(3), null)).toEqual({ kind: 'no' });
    expect(await s.sweep(2)).toMatchObject({ ...first, blocks: 1 });
    expect(await s.sweep(2)).toMatchObject({
      bindingsDeleted: 1,
      leasesExpired: 1,
      nextDueMs: QUARANTINE_MS,
    });
    await s.harness.advance(QUARANTINE_MS);
    let freed = 0;
    for (let calls = 0; calls < 4; calls++) freed += (await s.sweep(5)).portsFreed;
    expect(freed).toBe(16);
    expect(await s.harness.leftovers()).toBe(0);
  });

  it('comes back for a deadline that shrank while it was within the block', async () => {
    const s = current();
    const block = await s.lease(TCP);
    const flows = [];
    for (const n of [0, 1, 2]) {
      const established = { proposal: portOf(block, n), seen: seen(OUT_SYN | OUT_DATA | IN_DATA) };
      flows.push(created(await s.open(tcp(n), established)).flow!);
    }
    await s.harness.advance(LEASE_MS);
    expect(await s.sweep(1)).toMatchObject({ looks: 1, nextDueMs: 0 });
    await s.touch(tcp(0), WEB, flows[0]!.identity, { flags: 0, ageMs: null, rstAgeMs: 0 });
    expect(await s.sweep(1)).toMatchObject({ looks: 1, nextDueMs: 0 });
    expect((await s.sweep(1)).nextDueMs).toBeLessThanOrEqual(TRANSITORY_LIFE_MS);
    await s.harness.advance(TRANSITORY_LIFE_MS);
    let deleted = 0;
    for (let due: number | null = 0; due === 0; ) {
      const swept = await s.sweep(1);
      deleted += swept.bindingsDeleted;
      due = swept.nextDueMs;
    }
    expect(deleted).toBe(1);
  });

  it('leaves nothing of a released block', async () => {
    const s = current();
    const block = await s.lease(UDP);
    await s.store.release([{ ...block, incarnation: '00000000000000a1' }]);
    await s.harness.advance(LEASE_MS);
    await s.sweep();
    expect(await s.harness.leftovers()).toBe(0);
  });
}
