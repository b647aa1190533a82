import { ICMP, IN_DATA, OUT_DATA, shardOfInside, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import {
  created,
  insideOf,
  NOTHING_SEEN,
  POOL,
  POOL_V6,
  portOf,
  type Scenario,
  seen,
  tcp,
  UDP_LIFE_MS,
  udp,
  WEB,
} from './scenario.ts';

export function bindingTests(current: () => Scenario): void {
  it('opens a binding on the proposed port, with the whole life ahead', async () => {
    const s = current();
    const proposal = await s.port(UDP);
    const entry = created(await s.open(udp(), { proposal, nonce: 77, seen: seen(OUT_DATA, 40) }));
    expect(entry.inside).toEqual(udp());
    expect(entry.outside).toEqual(proposal);
    expect(entry.flow).toBeNull();
    expect(entry.binding).toMatchObject({ flags: OUT_DATA, reset: false });
    expect(entry.binding.identity.nonce).toBe(77);
    expect(entry.binding.lifeMs).toBe(UDP_LIFE_MS - 40);
  });

  it('answers the same opening twice with the same entry', async () => {
    const s = current();
    const request = s.opening(udp(), { proposal: await s.port(UDP) });
    const [first] = await s.store.open([request]);
    const [again] = await s.store.open([request]);
    expect(again).toEqual(first);
  });

  it('learns from an opening that is told again what was seen since', async () => {
    const s = current();
    for (const inside of [udp(), tcp()]) {
      const request = s.opening(inside, { proposal: await s.port(inside.protocol) });
      const entry = created((await s.store.open([request]))[0]!);
      const [again] = await s.store.open([{ ...request, seen: seen(OUT_DATA | IN_DATA) }]);
      const { identity } = entry.binding;
      expect(again).toMatchObject({ kind: 'created', entry: { binding: { identity } } });
      const told = created(again!);
      expect((told.flow ?? told.binding).flags & IN_DATA).toBe(IN_DATA);
    }
  });

  it('answers another opener with the entry that exists, and merges what it saw', async () => {
    const s = current();
    const entry = await s.bound(udp(), { seen: seen(OUT_DATA, 1_000) });
    const answer = await s.open(udp(), { seen: seen(IN_DATA) });
    expect(answer).toEqual({
      kind: 'exists',
      entry: {
        ...entry,
        binding: { ...entry.binding, flags: OUT_DATA | IN_DATA, lifeMs: UDP_LIFE_MS },
      },
    });
  });

  it('answers noBinding where there is none and no port is proposed', async () => {
    expect(await current().open(udp())).toEqual({ kind: 'noBinding' });
  });

  it.each([
    ['IPv4', '198.18.1.10', POOL],
    ['IPv6', '2001:db8::10', POOL_V6],
  ])('finds a binding of %s by either direction, as the same entry', async (_, inner, pool) => {
    const s = current();
    const inside = insideOf(UDP, 0, inner);
    const proposal = await s.port(UDP, undefined, pool);
    const entry = created(await s.open(inside, { proposal }));
    expect(await s.find(inside)).toEqual({ kind: 'entry', entry });
    expect(await s.findOutside(UDP, proposal)).toEqual({ kind: 'entry', entry });
    expect(await s.findOutside(UDP, proposal, WEB)).toEqual({ kind: 'entry', entry });
  });

  it('keeps protocols and domains apart', async () => {
    const s = current();
    const { outside } = await s.bound(udp());
    expect(await s.find({ ...udp(), protocol: ICMP })).toEqual({ kind: 'no' });
    expect(await s.find({ ...udp(), domain: 7 })).toEqual({ kind: 'no' });
    expect(await s.findOutside(ICMP, outside)).toEqual({ kind: 'no' });
  });

  it('answers no to ports that no binding can have', async () => {
    const s = current();
    const results = await s.store.find([
      { direction: 'outside', protocol: UDP, outside: { address: POOL, port: 53 }, remote: null },
      { direction: 'outside', protocol: UDP, outside: { address: POOL, port: 5353 }, remote: null },
    ]);
    expect(results).toEqual([{ kind: 'no' }, { kind: 'no' }]);
  });

  it('takes what is past its deadline as absent, swept or not', async () => {
    const s = current();
    const { outside, binding } = await s.bound(udp());
    await s.harness.advance(UDP_LIFE_MS - 1);
    expect(await s.find(udp())).toMatchObject({ kind: 'entry', entry: { binding: { lifeMs: 1 } } });
    await s.harness.advance(1);
    expect(await s.find(udp())).toEqual({ kind: 'no' });
    expect(await s.findOutside(UDP, outside)).toEqual({ kind: 'no' });
    expect(await s.touch(udp(), null, binding.identity, seen(OUT_DATA))).toEqual({ kind: 'gone' });
  });

  it('revives a dead binding on its own port, without a lease, under a new identity', async () => {
    const s = current();
    const dead = await s.bound(udp());
    await s.harness.advance(UDP_LIFE_MS);
    const proposal = { address: POOL, port: dead.outside.port + 1 };
    const revived = created(await s.open(udp(), { proposal }));
    expect(revived.outside).toEqual(dead.outside);
    expect(revived.binding.identity.generation).toBeGreaterThan(dead.binding.identity.generation);
    expect(await s.findOutside(UDP, dead.outside)).toEqual({ kind: 'entry', entry: revived });
  });

  it('extends the life by a touch, and merges it in any order', async () => {
    const s = current();
    const { binding } = await s.bound(udp(), { seen: seen(0) });
    await s.harness.advance(10_000);
    const late = await s.touch(udp(), null, binding.identity, seen(IN_DATA, 4_000));
    const later = await s.touch(udp(), null, binding.identity, seen(OUT_DATA, 9_000));
    expect(late).toMatchObject({ flow: { flags: IN_DATA, lifeMs: UDP_LIFE_MS - 4_000 } });
    expect(later).toMatchObject({ flow: { flags: 12, lifeMs: UDP_LIFE_MS - 4_000 } });
  });

  it('confirms by a touch without a sighting, and changes nothing', async () => {
    const s = current();
    const { binding } = await s.bound(udp());
    await s.harness.advance(1_000);
    const answer = await s.touch(udp(), null, binding.identity, NOTHING_SEEN);
    const flow = { ...binding, lifeMs: binding.lifeMs - 1_000 };
    expect(answer).toEqual({ kind: 'merged', flow });
  });

  it('ends a binding when asked to, and an idle one only once its deadline passed', async () => {
    const s = current();
    const { binding } = await s.bound(udp());
    const alive = await s.close(udp(), null, binding.identity, 'idle');
    expect(alive).toEqual({ kind: 'alive', flow: binding });
    await s.harness.advance(UDP_LIFE_MS);
    expect(await s.close(udp(), null, binding.identity, 'idle')).toEqual({ kind: 'closed' });
    expect(await s.close(udp(), null, binding.identity, 'idle')).toEqual({ kind: 'gone' });

    const next = created(await s.open(udp(), { proposal: await s.port(UDP) }));
    const { identity } = next.binding;
    expect(await s.close(udp(), null, identity, 'cancel')).toEqual({ kind: 'closed' });
    expect(await s.find(udp())).toEqual({ kind: 'no' });
    expect(await s.findOutside(UDP, next.outside)).toEqual({ kind: 'no' });
  });

  it('answers a large batch over many shards in the order of the requests', async () => {
    const s = current();
    const insides = Array.from({ length: 300 }, (_, i) => ({ ...udp(), port: 2_000 + i }));
    const requests = [];
    for (const inside of insides) {
      const shard = shardOfInside(inside);
      const request = { shard, protocol: UDP, address: POOL, incarnation: 'a1a1a1a1a1a1a1a1' };
      const [lease] = await s.store.lease([{ ...request, blocks: 1, start: 0 }]);
      if (lease?.kind !== 'granted') throw new Error('no lease');
      const { incarnation } = request;
      requests.push(s.opening(inside, { proposal: portOf(lease.blocks[0]!, 0), incarnation }));
    }
    const opened = (await s.store.open(requests)).map((result) => created(result!));
    expect(opened.map(({ inside }) => inside)).toEqual(insides);
    expect(opened.map(({ outside }) => outside)).toEqual(requests.map((r) => r.proposal));
    const finds = insides.map((inside) => ({ direction: 'inside', inside, remote: null }) as const);
    const found = await s.store.find(finds);
    expect(found).toEqual(opened.map((entry) => ({ kind: 'entry', entry })));
  });

  it('gives one batch about one endpoint the answers that single calls would give', async () => {
    const s = current();
    const proposal = await s.port(UDP);
    const results = await s.store.open([
      s.opening(udp(), { proposal, nonce: 1 }),
      s.opening(udp(), { proposal, nonce: 2 }),
      s.opening(udp(1), { proposal, nonce: 3 }),
    ]);
    expect(results.map((result) => result?.kind)).toEqual(['created', 'exists', 'portTaken']);
  });

  it('refuses requests that break the rules, as bugs of the caller', async () => {
    const s = current();
    const elsewhere = { address: POOL, port: (await s.port(UDP)).port + 16 };
    await expect(s.open(udp(), { proposal: elsewhere })).rejects.toThrow(RangeError);
    await expect(s.open(udp(), { remote: WEB })).rejects.toThrow(RangeError);
    await expect(s.open(insideOf(6, 0), { remote: null })).rejects.toThrow(RangeError);
    await expect(s.store.sweep(64, 1)).rejects.toThrow(RangeError);
    expect(await s.store.open([])).toEqual([]);
  });
}
