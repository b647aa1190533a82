/** I3: nothing ever acts on an entry of another identity than it saw. */
import { OUT_DATA, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import { created, type Scenario, seen, tcp, udp, WEB } from './scenario.ts';

export function identityTests(current: () => Scenario): void {
  it('leaves a reused endpoint alone when an old identity touches or closes it', async () => {
    const s = current();
    const old = (await s.bound(udp())).binding.identity;
    await s.close(udp(), null, old);
    const entry = await s.bound(udp());
    expect(await s.touch(udp(), null, old, seen(OUT_DATA))).toEqual({ kind: 'stale' });
    expect(await s.close(udp(), null, old, 'cancel')).toEqual({ kind: 'stale' });
    expect(await s.close(udp(), null, old, 'idle')).toEqual({ kind: 'stale' });
    expect(await s.find(udp())).toEqual({ kind: 'entry', entry });
  });

  it('leaves the next incarnation of a flow alone when an old identity comes late', async () => {
    const s = current();
    const old = (await s.bound(tcp())).flow!.identity;
    const entry = created(await s.open(tcp(), { replaces: old }));
    expect(await s.touch(tcp(), WEB, old, seen(63))).toEqual({ kind: 'stale' });
    expect(await s.close(tcp(), WEB, old)).toEqual({ kind: 'stale' });
    expect(await s.find(tcp(), WEB)).toEqual({ kind: 'entry', entry });
  });

  it('compares generation and nonce, both', async () => {
    const s = current();
    const { generation, nonce } = (await s.bound(udp())).binding.identity;
    for (const wrong of [
      { generation, nonce: nonce + 1 },
      { generation: generation + 1, nonce },
    ]) {
      expect(await s.touch(udp(), null, wrong, seen(OUT_DATA))).toEqual({ kind: 'stale' });
      expect(await s.close(udp(), null, wrong)).toEqual({ kind: 'stale' });
    }
  });

  it('gives every binding and flow a larger generation than any before', async () => {
    const s = current();
    const generations: number[] = [];
    for (let i = 0; i < 5; i++) {
      const { binding } = await s.bound(udp(i));
      generations.push(binding.identity.generation);
      await s.close(udp(i), null, binding.identity);
    }
    const sorted = [...new Set(generations)].sort((a, b) => a - b);
    expect(generations).toEqual(sorted);
  });

  it('does not delete by a sweep what was revived since its deadline passed', async () => {
    const s = current();
    await s.bound(udp());
    await s.harness.advance(600_000);
    const entry = created(await s.open(udp()));
    expect(await s.sweep()).toMatchObject({ bindingsDeleted: 0 });
    expect(await s.findOutside(UDP, entry.outside)).toEqual({ kind: 'entry', entry });
  });

  it('answers gone where nothing is stored', async () => {
    const s = current();
    const identity = { generation: 1, nonce: 1 };
    expect(await s.touch(udp(), null, identity, seen(OUT_DATA))).toEqual({ kind: 'gone' });
    expect(await s.close(udp(), null, identity)).toEqual({ kind: 'gone' });
    expect(await s.close(tcp(), WEB, identity)).toEqual({ kind: 'gone' });
  });
}
