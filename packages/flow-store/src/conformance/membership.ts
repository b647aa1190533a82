import { expect, it } from 'vitest';
import { CONFORMANCE_CONFIG } from './harness.ts';
import { GATEWAY_1, GATEWAY_2, type Scenario } from './scenario.ts';

const GW1 = {
  name: 'gw1',
  incarnation: GATEWAY_1,
  controlUrl: 'http://192.0.2.101:9464',
  peerAddress: '192.0.2.101:9465',
};
const GW2 = {
  name: 'gw2',
  incarnation: GATEWAY_2,
  controlUrl: 'http://192.0.2.102:9464',
  peerAddress: null,
};
const LEASE_MS = 90_000;

export function membershipTests(current: () => Scenario): void {
  it('lets nobody join a deployment that was not initialised', async () => {
    expect(await current().store.join(GW1)).toEqual({ kind: 'notInitialised' });
    expect(await current().store.checkConfig()).toEqual({ kind: 'notInitialised' });
  });

  it('writes the configuration once', async () => {
    const { store } = current();
    expect(await store.initialise('new')).toBe(true);
    expect(await store.initialise('new')).toBe(false);
    expect(await store.checkConfig()).toEqual({ kind: 'match' });
  });

  it('lists the members, to those who join and to those who are there', async () => {
    const { store } = current();
    await store.initialise('new');
    expect(await store.join(GW2)).toEqual({ kind: 'joined', members: [GW2] });
    expect(await store.join(GW1)).toEqual({ kind: 'joined', members: [GW1, GW2] });
    expect(await store.join(GW1)).toEqual({ kind: 'joined', members: [GW1, GW2] });
    expect(await store.heartbeat(GW2)).toEqual({ kind: 'alive', members: [GW1, GW2] });
  });

  it('refuses another configuration, and names the fields that differ', async () => {
    const { store, harness } = current();
    await store.initialise('new');
    const other = await harness.connect({
      ...CONFORMANCE_CONFIG,
      pool: ['203.0.113.0/29'],
      timeouts: { ...CONFORMANCE_CONFIG.timeouts, udpMs: 120_000 },
    });
    const fields = ['pool', 'timeouts.udpMs'];
    expect(await other.join(GW1)).toEqual({ kind: 'configMismatch', fields });
    expect(await other.checkConfig()).toEqual({ kind: 'configMismatch', fields });
    expect(await other.initialise('new')).toBe(false);
    await other.end();
  });

  it('publishes the next version: who joins must have it, who is a member goes on', async () => {
    const { store, harness } = current();
    const next = await harness.connect({ ...CONFORMANCE_CONFIG, version: 2, ttlMarginMs: 500_000 });
    expect(await next.publish()).toEqual({ kind: 'notInitialised' });
    await store.initialise('new');
    await store.join(GW1);
    expect(await next.publish()).toEqual({ kind: 'published' });
    expect(await next.publish()).toEqual({ kind: 'unchanged' });
    expect(await store.heartbeat(GW1)).toEqual({ kind: 'alive', members: [GW1] });
    const fields = ['ttlMarginMs', 'version'];
    expect(await store.checkConfig()).toEqual({ kind: 'configMismatch', fields });
    expect(await store.join(GW2)).toEqual({ kind: 'configMismatch', fields });
    expect(await next.join(GW2)).toEqual({ kind: 'joined', members: [GW1, GW2] });
    await next.end();
  });

  it('publishes one of two next versions', async () => {
    const { store, harness } = current();
    await store.initialise('new');
    const more = [400_000, 500_000].map((ttlMarginMs) => ({ version: 2, ttlMarginMs }));
    const others = await Promise.all(
      more.map((fields) => harness.connect({ ...CONFORMANCE_CONFIG, ...fields })),
    );
    const results = await Promise.all(others.map((other) => other.publish()));
    expect(results.filter(({ kind }) => kind === 'published')).toHaveLength(1);
    const checks = await Promise.all(others.map((other) => other.checkConfig()));
    expect(checks.map(({ kind }) => kind === 'match')).toEqual(
      results.map(({ kind }) => kind === 'published'),
    );
    await Promise.all(others.map((other) => other.end()));
  });

  it("publishes nothing that gateways which run can't go along with, and names it", async () => {
    const { store, harness } = current();
    await store.initialise('new');
    const next = await harness.connect({ ...CONFORMANCE_CONFIG, version: 2, leaseMs: 100_000 });
    expect(await next.publish()).toMatchObject({
      kind: 'refused',
      problems: [expect.stringMatching(/^leaseMs: /)],
    });
    expect(await store.checkConfig()).toEqual({ kind: 'match' });
    await next.end();
  });

  it('forgets whoever was silent for a lease length', async () => {
    const { store, harness } = current();
    await store.initialise('new');
    await store.join(GW1);
    await store.join(GW2);
    await harness.advance(LEASE_MS - 1);
    await store.heartbeat(GW1);
    await harness.advance(1);
    expect(await store.heartbeat(GW1)).toEqual({ kind: 'alive', members: [GW1] });
    expect(await store.heartbeat(GW2)).toEqual({ kind: 'unknown' });
  });

  it('gives a name to the incarnation that joined last', async () => {
    const { store } = current();
    await store.initialise('new');
    await store.join(GW1);
    const restarted = { ...GW1, incarnation: 'cccccccccccccccc' };
    expect(await store.join(restarted)).toEqual({ kind: 'joined', members: [restarted] });
    expect(await store.heartbeat(GW1)).toEqual({ kind: 'unknown' });
    await store.leave(GW1);
    expect(await store.heartbeat(restarted)).toEqual({ kind: 'alive', members: [restarted] });
  });

  it('takes a member that leaves off the list', async () => {
    const { store } = current();
    await store.initialise('new');
    await store.join(GW1);
    await store.join(GW2);
    await store.leave(GW1);
    await store.leave(GW1);
    expect(await store.heartbeat(GW2)).toEqual({ kind: 'alive', members: [GW2] });
    expect(await store.heartbeat(GW1)).toEqual({ kind: 'unknown' });
  });
}
