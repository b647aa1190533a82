import { canonicalConfig, RECORD_LAYOUT } from '@flowstore/flow';
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
const TERMS = { holds: canonicalConfig(CONFORMANCE_CONFIG), next: null, layout: RECORD_LAYOUT };

export function membershipTests(current: () => Scenario): void {
  it('lets nobody join a deployment that was not initialised', async () => {
    expect(await current().store.join(GW1)).toEqual({ kind: 'notInitialised' });
    expect(await current().store.deployment()).toEqual({ kind: 'notInitialised' });
  });

  it('writes the configuration once', async () => {
    const { store } = current();
    expect(await store.initialise('new')).toBe(true);
    expect(await store.initialise('new')).toBe(false);
    const nobody = { members: [], nextLayout: null };
    expect(await store.deployment()).toEqual({ kind: 'running', terms: TERMS, ...nobody });
  });

  it('begins a new deployment again where an attempt may have been written', async () => {
    const { store } = current();
    expect(await store.initialise('new')).toBe(true);
    expect(await store.initialise('again')).toBe(true);
    expect(await store.deployment()).toMatchObject({ kind: 'running', terms: TERMS });
  });

  it('lists the members, to those who join and to those who are there', async () => {
    const { store } = current();
    await store.initialise('new');
    expect(await store.join(GW2)).toEqual({ kind: 'joined', members: [GW2], terms: TERMS });
    expect(await store.join(GW1)).toEqual({ kind: 'joined', members: [GW1, GW2], terms: TERMS });
    expect(await store.join(GW1)).toEqual({ kind: 'joined', members: [GW1, GW2], terms: TERMS });
    expect(await store.heartbeat(GW2)).toEqual({
      kind: 'alive',
      members: [GW1, GW2],
      terms: TERMS,
    });
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
    expect(await other.join(GW1)).toEqual({ kind: 'configMismatch', fields, terms: TERMS });
    expect(await other.initialise('new')).toBe(false);
    await other.end();
  });

  it('forgets whoever was silent for a lease length', async () => {
    const { store, harness } = current();
    await store.initialise('new');
    await store.join(GW1);
    await store.join(GW2);
    await harness.advance(LEASE_MS - 1);
    await store.heartbeat(GW1);
    await harness.advance(1);
    expect(await store.heartbeat(GW1)).toEqual({ kind: 'alive', members: [GW1], terms: TERMS });
    expect(await store.heartbeat(GW2)).toEqual({ kind: 'unknown' });
  });

  it('gives a name to the incarnation that joined last', async () => {
    const { store } = current();
    await store.initialise('new');
    await store.join(GW1);
    const restarted = { ...GW1, incarnation: 'cccccccccccccccc' };
    expect(await store.join(restarted)).toEqual({
      kind: 'joined',
      members: [restarted],
      terms: TERMS,
    });
    expect(await store.heartbeat(GW1)).toEqual({ kind: 'unknown' });
    await store.leave(GW1);
    expect(await store.heartbeat(restarted)).toEqual({
      kind: 'alive',
      members: [restarted],
      terms: TERMS,
    });
  });

  it('takes a member that leaves off the list', async () => {
    const { store } = current();
    await store.initialise('new');
    await store.join(GW1);
    await store.join(GW2);
    await store.leave(GW1);
    await store.leave(GW1);
    expect(await store.heartbeat(GW2)).toEqual({ kind: 'alive', members: [GW2], terms: TERMS });
    expect(await store.heartbeat(GW1)).toEqual({ kind: 'unknown' });
  });
}
