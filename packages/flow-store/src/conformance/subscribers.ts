/** What a subscriber has is counted by shard, exactly, whatever became of it. */
import { IN_DATA, OUT_DATA, OUT_SYN, parseAddress, type Subscriber, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import {
  created,
  insideOf,
  JUST_NOW,
  OTHER_WEB,
  portOf,
  type Scenario,
  SHARD,
  seen,
  tcp,
  UDP_LIFE_MS,
  udp,
} from './scenario.ts';

const SUBSCRIBER: Subscriber = { domain: 0, address: parseAddress('198.18.1.10') };
const NEIGHBOUR: Subscriber = { domain: 0, address: parseAddress('198.18.2.10') };
const QUARANTINE_MS = 125_000;

export function subscriberTests(current: () => Scenario): void {
  const count = async (subscriber = SUBSCRIBER, shard = SHARD) => {
    const [result] = await current().store.count([{ shard, subscriber }]);
    return result!.bindings;
  };

  it('counts the bindings of a subscriber, of all protocols, and nobody else’s', async () => {
    const s = current();
    expect(await count()).toBe(0);
    await s.bound(udp(0));
    await s.bound(udp(1));
    await s.bound(tcp());
    await s.bound(insideOf(UDP, 0, '198.18.2.10'));
    await s.bound(insideOf(UDP, 0, '2001:db8::10'));
    expect(await count()).toBe(3);
    expect(await count(NEIGHBOUR)).toBe(1);
    expect(await count({ domain: 0, address: parseAddress('2001:db8::10') })).toBe(1);
    expect(await count({ ...SUBSCRIBER, domain: 7 })).toBe(0);
    expect(await count(SUBSCRIBER, SHARD + 1)).toBe(0);
  });

  it('counts bindings, not flows, and an opening that runs twice once', async () => {
    const s = current();
    const request = s.opening(tcp(), { proposal: await s.port(tcp().protocol) });
    await s.store.open([request, request]);
    created(await s.open(tcp(), { remote: OTHER_WEB }));
    expect(await count()).toBe(1);
  });

  it('forgets what was closed, cancelled or swept', async () => {
    const s = current();
    const block = await s.lease(UDP);
    const entries = [];
    for (const n of [0, 1, 2]) {
      entries.push(created(await s.open(udp(n), { proposal: portOf(block, n) })));
    }
    await s.close(udp(0), null, entries[0]!.binding.identity);
    expect(await count()).toBe(2);
    await s.harness.advance(1);
    await s.touch(udp(1), null, entries[1]!.binding.identity, seen(OUT_DATA));
    await s.harness.advance(UDP_LIFE_MS - 1);
    await s.sweep();
    expect(await count()).toBe(1);
    await s.close(udp(1), null, entries[1]!.binding.identity, 'idle');
    await s.close(udp(1), null, entries[1]!.binding.identity, 'idle');
    await s.harness.advance(1);
    await s.close(udp(1), null, entries[1]!.binding.identity, 'idle');
    expect(await count()).toBe(0);
  });

  it('counts once a binding that is bound anew on its port, dead or quarantined', async () => {
    const s = current();
    const block = await s.lease(UDP);
    const proposal = portOf(block, 0);
    const { binding } = created(await s.open(udp(), { proposal }));
    await s.harness.advance(60_000);
    await s.store.renew([{ ...block, incarnation: '00000000000000a1' }]);
    await s.close(udp(), null, binding.identity);
    created(await s.open(udp(), { proposal }));
    expect(await count()).toBe(1);
    // Dead and not swept: it is still counted, and its revival is no second one.
    await s.harness.advance(UDP_LIFE_MS);
    expect(await count()).toBe(1);
    created(await s.open(udp()));
    expect(await count()).toBe(1);
  });

  it('counts a restored binding', async () => {
    const s = current();
    const { binding, outside } = await s.bound(udp());
    await s.harness.loseEntry(udp());
    await s.harness.changeServer();
    const request = { inside: udp(), remote: null, outside, identity: binding.identity };
    await s.store.reassert([{ ...request, seen: JUST_NOW }]);
    expect(await count()).toBe(1);
  });

  it.each([
    ['was not leased again', false],
    ['was leased again', true],
  ])('is exact within a sweep after a block went by its TTL and %s', async (_, leased) => {
    const s = current();
    const lost = await s.bound(udp(0));
    await s.bound(tcp(), { seen: seen(OUT_SYN | OUT_DATA | IN_DATA) });
    await s.harness.loseEntry(udp(0));
    await s.harness.expireBlock(UDP, lost.outside);
    await s.harness.advance(UDP_LIFE_MS);
    if (leased) await s.lease(UDP);
    await s.sweep();
    expect(await count()).toBe(1);
    await s.harness.advance(QUARANTINE_MS);
    await s.sweep();
    expect(await count()).toBe(1);
  });

  it('is exact within a sweep after the limit was set, lifted, and set again', async () => {
    const s = current();
    const { config } = s.store;
    const unlimited = await s.harness.connect({ ...config, bindingsPerSubscriberMax: 0 });
    const block = await s.lease(UDP);
    await unlimited.open([s.opening(udp(0), { proposal: portOf(block, 0) })]);
    expect(await unlimited.count([{ shard: SHARD, subscriber: SUBSCRIBER }])).toEqual([
      { kind: 'counted', bindings: 0 },
    ]);
    await s.sweep();
    expect(await count()).toBe(1);
    await unlimited.sweep(SHARD, 1);
    await unlimited.open([s.opening(udp(1), { proposal: portOf(block, 1) })]);
    await s.sweep();
    expect(await count()).toBe(2);
    await unlimited.end();
  });
}
