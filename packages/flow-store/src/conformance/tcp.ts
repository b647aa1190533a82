import { IN_DATA, IN_FIN, OUT_DATA, OUT_FIN, OUT_SYN, TCP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import { created, OTHER_WEB, type Scenario, seen, tcp, WEB } from './scenario.ts';

const SLACK_MS = 95_000;
const TRANSITORY_LIFE_MS = 240_000 + 80_000 + SLACK_MS;
const ESTABLISHED_LIFE_MS = 7_440_000 + 2_480_000 + SLACK_MS;
const ESTABLISHED = OUT_SYN | OUT_DATA | IN_DATA;
const CLOSING = ESTABLISHED | OUT_FIN | IN_FIN;

const peer = (port: number) => ({ ...WEB, port });

export function tcpTests(current: () => Scenario): void {
  it('opens binding and first flow together, and finds both by either direction', async () => {
    const s = current();
    const entry = await s.bound(tcp());
    expect(entry.flow).toMatchObject({ flags: OUT_SYN, lifeMs: TRANSITORY_LIFE_MS });
    expect(entry.binding).toMatchObject({ flags: 0, lifeMs: TRANSITORY_LIFE_MS });
    expect(await s.find(tcp(), WEB)).toEqual({ kind: 'entry', entry });
    expect(await s.findOutside(TCP, entry.outside, WEB)).toEqual({ kind: 'entry', entry });
    const bare = { kind: 'entry', entry: { ...entry, flow: null } };
    expect(await s.find(tcp(), OTHER_WEB)).toEqual(bare);
    expect(await s.find(tcp())).toEqual(bare);
    expect(await s.findOutside(TCP, entry.outside)).toEqual(bare);
  });

  it('adds flows to the binding that exists, whoever asks and without a lease', async () => {
    const s = current();
    const first = await s.bound(tcp());
    const second = created(await s.open(tcp(), { remote: OTHER_WEB }));
    expect(second.outside).toEqual(first.outside);
    expect(second.binding.identity).toEqual(first.binding.identity);
    expect(second.flow!.identity.generation).toBeGreaterThan(first.flow!.identity.generation);
    expect(await s.find(tcp(), WEB)).toEqual({ kind: 'entry', entry: first });
  });

  it('waits long for an established flow and short for a closing one', async () => {
    const s = current();
    const { flow } = await s.bound(tcp());
    const touch = (flags: number) => s.touch(tcp(), WEB, flow!.identity, seen(flags));
    expect(await touch(ESTABLISHED)).toMatchObject({ flow: { lifeMs: ESTABLISHED_LIFE_MS } });
    expect(await touch(CLOSING)).toMatchObject({ flow: { lifeMs: TRANSITORY_LIFE_MS } });
    expect(await touch(OUT_SYN)).toMatchObject({ flow: { flags: CLOSING } });
    await s.harness.advance(TRANSITORY_LIFE_MS);
    expect(await s.sweep()).toMatchObject({ flowsDeleted: 1, bindingsDeleted: 1 });
  });

  it('takes an RST for the end until data is reported that came after it', async () => {
    const s = current();
    const { flow } = await s.bound(tcp(), { seen: seen(ESTABLISHED, 500) });
    const { identity } = flow!;
    const rst = await s.touch(tcp(), WEB, identity, { flags: 0, ageMs: null, rstAgeMs: 300 });
    expect(rst).toMatchObject({ flow: { reset: true, lifeMs: TRANSITORY_LIFE_MS - 300 } });
    const before = await s.touch(tcp(), WEB, identity, seen(OUT_DATA, 400));
    expect(before).toMatchObject({ flow: { reset: true } });
    const after = await s.touch(tcp(), WEB, identity, seen(OUT_DATA, 200));
    expect(after).toMatchObject({ flow: { reset: false, lifeMs: ESTABLISHED_LIFE_MS - 200 } });
  });

  it('is over where an opening tells of its end only after its time', async () => {
    const s = current();
    const entry = await s.bound(tcp());
    await s.touch(tcp(), WEB, entry.flow!.identity, seen(ESTABLISHED));
    await s.harness.advance(TRANSITORY_LIFE_MS);
    const again = await s.open(tcp(), { seen: seen(CLOSING, null) });
    expect(again).toMatchObject({ kind: 'exists', entry: { flow: null, binding: { lifeMs: 1 } } });
    expect(await s.find(tcp(), WEB)).toEqual({ kind: 'no' });
  });

  it('lets the binding live as long as its longest flow', async () => {
    const s = current();
    const { outside } = await s.bound(tcp());
    created(await s.open(tcp(), { remote: OTHER_WEB, seen: seen(ESTABLISHED) }));
    await s.harness.advance(TRANSITORY_LIFE_MS);
    const lifeMs = ESTABLISHED_LIFE_MS - TRANSITORY_LIFE_MS;
    const bare = { kind: 'entry', entry: { flow: null, binding: { lifeMs } } };
    expect(await s.find(tcp(), WEB)).toMatchObject(bare);
    expect(await s.findOutside(TCP, outside)).toMatchObject(bare);
    await s.harness.advance(lifeMs);
    expect(await s.find(tcp(), OTHER_WEB)).toEqual({ kind: 'no' });
  });

  it('keeps the binding until its last flow is closed', async () => {
    const s = current();
    const first = await s.bound(tcp());
    const second = created(await s.open(tcp(), { remote: OTHER_WEB }));
    expect(await s.close(tcp(), WEB, first.flow!.identity)).toEqual({ kind: 'closed' });
    expect(await s.close(tcp(), WEB, first.flow!.identity)).toEqual({ kind: 'gone' });
    const found = await s.find(tcp(), OTHER_WEB);
    expect(found).toEqual({ kind: 'entry', entry: second });
    expect(await s.close(tcp(), OTHER_WEB, second.flow!.identity)).toEqual({ kind: 'closed' });
    expect(await s.find(tcp())).toEqual({ kind: 'no' });
    expect(await s.findOutside(TCP, first.outside)).toEqual({ kind: 'no' });
  });

  it('closes a binding with all of its flows, by the identity of the binding', async () => {
    const s = current();
    const { binding } = await s.bound(tcp());
    const second = created(await s.open(tcp(), { remote: OTHER_WEB }));
    const idle = await s.close(tcp(), null, binding.identity, 'idle');
    expect(idle).toEqual({ kind: 'alive', flow: binding });
    expect(await s.close(tcp(), null, second.flow!.identity)).toEqual({ kind: 'stale' });
    expect(await s.close(tcp(), null, binding.identity)).toEqual({ kind: 'closed' });
    expect(await s.find(tcp(), OTHER_WEB)).toEqual({ kind: 'no' });
  });

  it('limits the live flows of an endpoint, and does not count dead ones', async () => {
    const s = current();
    await s.bound(tcp(), { remote: peer(1) });
    for (const port of [2, 3]) created(await s.open(tcp(), { remote: peer(port) }));
    created(await s.open(tcp(), { remote: peer(4), seen: seen(ESTABLISHED) }));
    expect(await s.open(tcp(), { remote: peer(5) })).toEqual({ kind: 'limit' });
    expect(await s.open(tcp(), { remote: peer(2) })).toMatchObject({ kind: 'exists' });
    await s.harness.advance(TRANSITORY_LIFE_MS);
    for (const port of [5, 6, 7]) created(await s.open(tcp(), { remote: peer(port) }));
    expect(await s.open(tcp(), { remote: peer(1) })).toEqual({ kind: 'limit' });
    expect(await s.find(tcp(), peer(4))).toMatchObject({ entry: { flow: { flags: ESTABLISHED } } });
  });

  it('replaces a closing flow by its next incarnation, once', async () => {
    const s = current();
    const first = await s.bound(tcp(), { seen: seen(CLOSING) });
    const replaces = first.flow!.identity;
    const request = s.opening(tcp(), { replaces });
    const [next] = await s.store.open([request]);
    const entry = created(next!);
    expect(entry.flow).toMatchObject({ flags: OUT_SYN, lifeMs: TRANSITORY_LIFE_MS });
    expect(entry.flow!.identity.generation).toBeGreaterThan(replaces.generation);
    expect(entry.binding.identity).toEqual(first.binding.identity);
    expect(await s.store.open([request])).toEqual([next]);
    const another = await s.open(tcp(), { replaces });
    expect(another).toEqual({ kind: 'exists', entry });
  });

  it('keeps a binding, its port and its other flows at the next incarnation of one', async () => {
    const s = current();
    const first = await s.bound(tcp(), { seen: seen(CLOSING) });
    const other = created(await s.open(tcp(), { remote: OTHER_WEB }));
    const next = created(await s.open(tcp(), { replaces: first.flow!.identity }));
    expect(next.outside).toEqual(first.outside);
    expect(next.binding.identity).toEqual(first.binding.identity);
    expect(await s.find(tcp(), OTHER_WEB)).toMatchObject({
      entry: { binding: { identity: first.binding.identity }, flow: other.flow },
    });
    // Late news of the last incarnation is nobody's.
    expect(await s.touch(tcp(), WEB, first.flow!.identity, seen(CLOSING))).toEqual({
      kind: 'stale',
    });
  });

  it('revives a binding whose flows are all dead, without them', async () => {
    const s = current();
    const first = await s.bound(tcp());
    await s.open(tcp(), { remote: OTHER_WEB });
    await s.harness.advance(TRANSITORY_LIFE_MS);
    const revived = created(await s.open(tcp()));
    expect(revived.outside).toEqual(first.outside);
    expect(revived.binding.identity).not.toEqual(first.binding.identity);
    expect(await s.find(tcp(), OTHER_WEB)).toMatchObject({ kind: 'entry', entry: { flow: null } });
  });
}
