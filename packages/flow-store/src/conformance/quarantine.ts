/** I1: no two bindings on one outside endpoint, nor another's within the quarantine. */
import { UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import {
  created,
  GATEWAY_1,
  portOf,
  type Scenario,
  SHARD,
  tcp,
  UDP_LIFE_MS,
  udp,
} from './scenario.ts';

const QUARANTINE_MS = 120_000 + 5_000;
const LEASE_MS = 90_000;
/** Keeps a lease while time goes by. */
async function advanceLeased(s: Scenario, ms: number, block: Parameters<typeof portOf>[0]) {
  for (let left = ms; left > 0; left -= 40_000) {
    await s.harness.advance(Math.min(left, 40_000));
    const [renewed] = await s.store.renew([{ ...block, incarnation: '00000000000000a1' }]);
    expect(renewed).toMatchObject({ kind: 'renewed' });
  }
}

export function quarantineTests(current: () => Scenario): void {
  it('never gives a port that is bound to a second inside endpoint', async () => {
    const s = current();
    const { outside } = await s.bound(udp());
    expect(await s.open(udp(1), { proposal: outside })).toEqual({ kind: 'portTaken' });
    expect(await s.find(udp(1))).toEqual({ kind: 'no' });
  });

  it('keeps the port of a dead binding that no sweep has met', async () => {
    const s = current();
    const block = await s.lease(UDP);
    const proposal = portOf(block, 3);
    created(await s.open(udp(), { proposal }));
    await advanceLeased(s, UDP_LIFE_MS, block);
    expect(await s.open(udp(1), { proposal })).toEqual({ kind: 'portTaken' });
  });

  it('keeps a freed port from others for the whole quarantine, and not longer', async () => {
    const s = current();
    const block = await s.lease(UDP);
    const proposal = portOf(block, 0);
    const { binding } = created(await s.open(udp(), { proposal }));
    await s.close(udp(), null, binding.identity);
    await advanceLeased(s, QUARANTINE_MS - 1, block);
    expect(await s.open(udp(1), { proposal })).toEqual({ kind: 'portTaken' });
    await advanceLeased(s, 1, block);
    created(await s.open(udp(1), { proposal }));
  });

  it('keeps a freed port from others though whoever freed it died', async () => {
    const s = current();
    const incarnation = 'dddddddddddddddd';
    const dying = await s.harness.connect();
    const block = await s.lease(UDP, incarnation);
    const proposal = portOf(block, 0);
    const opening = s.opening(udp(), { proposal, incarnation });
    const { binding } = created((await dying.open([opening]))[0]!);
    const cancel = { inside: udp(), remote: null, identity: binding.identity };
    expect(await dying.close([{ ...cancel, reason: 'cancel' }])).toEqual([{ kind: 'closed' }]);
    await dying.end();
    // Its lease runs out meanwhile, and is found to be over by whoever wants the block.
    const wanted = { shard: SHARD, protocol: UDP, address: block.address, blocks: 1, start: 0 };
    const lease = () => s.store.lease([{ ...wanted, incarnation: GATEWAY_1 }]);
    await s.harness.advance(LEASE_MS);
    await lease();
    await s.harness.advance(QUARANTINE_MS - LEASE_MS - 1);
    const [other] = await lease();
    expect(other).not.toMatchObject({ blocks: [{ block: block.block }] });
    expect(await s.open(udp(1), { proposal })).toEqual({ kind: 'leaseLost' });
    await s.harness.advance(1);
    const [next] = await lease();
    expect(next).toMatchObject({ kind: 'granted', blocks: [{ block: block.block, freePorts: 1 }] });
    created(await s.open(udp(1), { proposal }));
  });

  it('gives a freed port back to the same inside endpoint at once', async () => {
    const s = current();
    const first = await s.bound(udp());
    await s.close(udp(), null, first.binding.identity);
    const again = created(await s.open(udp(), { proposal: first.outside }));
    expect(again.outside).toEqual(first.outside);
    expect(again.binding.identity).not.toEqual(first.binding.identity);
  });

  it('puts a row whose entry was lost into quarantine from when it is met', async () => {
    const s = current();
    const block = await s.lease(UDP);
    const proposal = portOf(block, 0);
    created(await s.open(udp(), { proposal }));
    await s.harness.loseEntry(udp());
    await advanceLeased(s, 60_000, block);
    expect(await s.findOutside(UDP, proposal)).toEqual({ kind: 'no' });
    expect(await s.open(udp(1), { proposal })).toEqual({ kind: 'portTaken' });
    await advanceLeased(s, QUARANTINE_MS - 1, block);
    expect(await s.open(udp(1), { proposal })).toEqual({ kind: 'portTaken' });
    await advanceLeased(s, 1, block);
    created(await s.open(udp(1), { proposal }));
  });

  it('lets the inside endpoint that lost its entry have its port again at once', async () => {
    const s = current();
    const first = await s.bound(udp());
    await s.harness.loseEntry(udp());
    const again = created(await s.open(udp(), { proposal: first.outside }));
    expect(again.outside).toEqual(first.outside);
    expect(await s.findOutside(UDP, first.outside)).toEqual({ kind: 'entry', entry: again });
  });

  it('lets it have another port too, and finds the old row orphaned', async () => {
    const s = current();
    const block = await s.lease(UDP);
    created(await s.open(udp(), { proposal: portOf(block, 0) }));
    await s.harness.loseEntry(udp());
    created(await s.open(udp(), { proposal: portOf(block, 1) }));
    expect(await s.findOutside(UDP, portOf(block, 0))).toEqual({ kind: 'no' });
    expect(await s.open(udp(1), { proposal: portOf(block, 0) })).toEqual({ kind: 'portTaken' });
    await s.harness.advance(QUARANTINE_MS);
    await s.sweep();
    const [renewed] = await s.store.lease([
      {
        shard: 5,
        protocol: UDP,
        address: block.address,
        incarnation: 'ffffffffffffffff',
        blocks: 1,
        start: 62,
      },
    ]);
    expect(renewed).toMatchObject({ kind: 'granted' });
  });

  it('knows nothing of a binding whose row was lost, but its next holder', async () => {
    const s = current();
    const lost = await s.bound(udp());
    await s.harness.loseBlock(UDP, lost.outside);
    const next = await s.bound(udp(1));
    expect(next.outside).toEqual(lost.outside);
    expect(await s.find(udp())).toEqual({ kind: 'no' });
    expect(await s.close(udp(), null, lost.binding.identity)).toEqual({ kind: 'gone' });
    expect(await s.findOutside(UDP, next.outside)).toEqual({ kind: 'entry', entry: next });
  });

  it('does not revive a dead binding on a port that is no longer its own', async () => {
    const s = current();
    const lost = await s.bound(udp());
    await s.harness.loseBlock(UDP, lost.outside);
    await s.harness.advance(UDP_LIFE_MS);
    const next = await s.bound(udp(1));
    expect(next.outside).toEqual(lost.outside);
    expect(await s.open(udp())).toEqual({ kind: 'noBinding' });
    expect(await s.open(udp(), { proposal: lost.outside })).toEqual({ kind: 'portTaken' });
    const elsewhere = { ...lost.outside, port: lost.outside.port + 1 };
    created(await s.open(udp(), { proposal: elsewhere }));
    expect(await s.findOutside(UDP, next.outside)).toEqual({ kind: 'entry', entry: next });
  });

  it('keeps blocks of different protocols apart', async () => {
    const s = current();
    const { outside } = await s.bound(udp());
    const entry = await s.bound(tcp());
    expect(await s.findOutside(UDP, outside)).toMatchObject({ entry: { inside: udp() } });
    expect(await s.findOutside(6, entry.outside)).toMatchObject({ entry: { inside: tcp() } });
  });
}
