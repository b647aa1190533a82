/** Filtering that is not endpoint-independent: UDP has flows per remote address, or endpoint. */
import { type ClusterConfig, type Filtering, IN_DATA, OUT_DATA, TCP, UDP } from '@flowstore/flow';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CONFORMANCE_CONFIG, type Harness } from './harness.ts';
import { created, OTHER_WEB, Scenario, seen, tcp, UDP_LIFE_MS, udp, WEB } from './scenario.ts';

/** Each test gets an empty store that goes by the configuration. */
export function filteringConformance(
  name: string,
  begin: (config: ClusterConfig) => Promise<Harness>,
): void {
  describe.each(['address-dependent', 'address-and-port-dependent'] as const)(
    `${name}: %s filtering`,
    (filtering) => {
      let scenario: Scenario;
      beforeEach(async () => {
        const both = { udp: filtering, tcp: filtering };
        scenario = new Scenario(await begin({ ...CONFORMANCE_CONFIG, filtering: both }));
      });
      afterEach(() => scenario.harness.end());
      udpTests(() => scenario, filtering);
      addressTests(() => scenario);
    },
  );
}

function udpTests(current: () => Scenario, filtering: Filtering): void {
  const width = (peer: typeof WEB) =>
    filtering === 'address-dependent' ? { ...peer, port: 0 } : peer;
  const peer = width(WEB);
  const other = width(OTHER_WEB);

  it('a UDP binding has a flow per peer, found from both sides', async () => {
    const s = current();
    const entry = await s.bound(udp(), { remote: peer });
    expect(entry.flow).toMatchObject({ lifeMs: UDP_LIFE_MS });
    expect(await s.find(udp(), peer)).toEqual({ kind: 'entry', entry });
    expect(await s.findOutside(UDP, entry.outside, peer)).toEqual({ kind: 'entry', entry });
    const bare = { kind: 'entry', entry: { ...entry, flow: null } };
    expect(await s.findOutside(UDP, entry.outside, other)).toEqual(bare);
    const second = created(await s.open(udp(), { remote: other }));
    expect(second.outside).toEqual(entry.outside);
    expect(await s.findOutside(UDP, entry.outside, other)).toMatchObject({
      entry: { flow: second.flow },
    });
  });

  it('each of its flows ends by itself, the binding with the last of them', async () => {
    const s = current();
    const first = await s.bound(udp(), { remote: peer });
    const second = created(await s.open(udp(), { remote: other }));
    await s.harness.advance(200_000);
    const touched = await s.touch(udp(), other, second.flow!.identity, seen(OUT_DATA | IN_DATA));
    expect(touched).toMatchObject({ kind: 'merged', flow: { lifeMs: UDP_LIFE_MS } });
    await s.harness.advance(UDP_LIFE_MS - 200_000);
    expect(await s.find(udp(), peer)).toMatchObject({ kind: 'entry', entry: { flow: null } });
    expect(await s.sweep()).toMatchObject({ flowsDeleted: 1, bindingsDeleted: 0 });
    expect(await s.touch(udp(), peer, first.flow!.identity, seen(OUT_DATA))).toEqual({
      kind: 'gone',
    });
    await s.harness.advance(200_000);
    expect(await s.sweep()).toMatchObject({ flowsDeleted: 1, bindingsDeleted: 1 });
    expect(await s.find(udp(), other)).toEqual({ kind: 'no' });
  });

  it('the flows of a UDP endpoint are limited, as those of TCP are', async () => {
    const s = current();
    await s.bound(udp(), { remote: peer });
    const further = (n: number) => width({ address: Uint8Array.of(192, 0, 2, n), port: n });
    for (const n of [1, 2, 3]) created(await s.open(udp(), { remote: further(n) }));
    expect(await s.open(udp(), { remote: further(4) })).toEqual({ kind: 'limit' });
  });

  it('refuses a flow that is wider or narrower than the filtering wants it', async () => {
    const s = current();
    await expect(s.bound(udp(), { remote: null })).rejects.toThrow('needs a remote endpoint');
    const wrong = filtering === 'address-dependent' ? WEB : { ...WEB, port: 0 };
    await expect(s.open(udp(), { remote: wrong })).rejects.toThrow('has flows per');
  });
}

function addressTests(current: () => Scenario): void {
  it('any flow of TCP with an address answers for it, the one that lives longest', async () => {
    const s = current();
    const { outside } = await s.bound(tcp());
    const any = { ...WEB, port: 0 };
    const second = created(
      await s.open(tcp(), { remote: { ...WEB, port: 81 }, seen: seen(OUT_DATA | IN_DATA) }),
    );
    const found = { kind: 'entry', entry: { flow: second.flow } };
    expect(await s.findOutside(TCP, outside, any)).toMatchObject(found);
    expect(await s.find(tcp(), any)).toMatchObject(found);
    const stranger = await s.findOutside(TCP, outside, { ...OTHER_WEB, port: 0 });
    expect(stranger).toMatchObject({ kind: 'entry', entry: { flow: null } });
    await s.harness.advance(500_000);
    expect(await s.findOutside(TCP, outside, any)).toMatchObject({ entry: { flow: {} } });
    await s.harness.advance(11_000_000);
    expect(await s.findOutside(TCP, outside, any)).toEqual({ kind: 'no' });
  });
}
