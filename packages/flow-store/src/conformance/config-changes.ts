import { type ClusterConfig, canonicalConfig, RECORD_LAYOUT, silenceMs } from '@flowstore/flow';
import { expect, it } from 'vitest';
import type { FlowStore, MemberInfo, Stance } from '../contract.ts';
import { CONFORMANCE_CONFIG } from './harness.ts';
import { GATEWAY_1, GATEWAY_2, Scenario, SHARD, udp } from './scenario.ts';

const GW1: MemberInfo = {
  name: 'gw1',
  incarnation: GATEWAY_1,
  controlUrl: 'http://192.0.2.101:9464',
  peerAddress: null,
};
const GW2: MemberInfo = { ...GW1, name: 'gw2', incarnation: GATEWAY_2 };
const HOLDS = canonicalConfig(CONFORMANCE_CONFIG);
const NEXT: ClusterConfig = { ...CONFORMANCE_CONFIG, version: 2, ttlMarginMs: 500_000 };
const OTHER: ClusterConfig = { ...NEXT, ttlMarginMs: 400_000 };
const SILENCE_MS = silenceMs(CONFORMANCE_CONFIG);

const text = canonicalConfig;
const goesBy = (config: ClusterConfig): Stance => ({ next: text(config), problems: [] });

async function termsOf(store: FlowStore) {
  const state = await store.deployment();
  if (state.kind !== 'running') throw new Error(state.kind);
  const { holds, next } = state.terms;
  return { holds, next };
}

async function stancesOf(store: FlowStore) {
  const state = await store.deployment();
  if (state.kind !== 'running') throw new Error(state.kind);
  return state.members.map(({ name, stance }) => `${name} ${stance}`);
}

/** A deployment with gw1, and a client that has the next configuration. */
async function begin({ store, harness }: Scenario, next = NEXT) {
  await store.initialise('new');
  await store.join(GW1);
  return { store, harness, publisher: await harness.connect(next) };
}

export function configChangeTests(current: () => Scenario): void {
  publishing(current);
  restoring(current);
  endingFlows(current);
  acknowledging(current);
  joining(current);
}

function publishing(current: () => Scenario): void {
  it('publishes the next version: it does not hold yet, and every member hears of it', async () => {
    const { store, publisher } = await begin(current());
    expect(await publisher.publish()).toEqual({ kind: 'published' });
    expect(await publisher.publish()).toEqual({ kind: 'published' });
    expect(await termsOf(store)).toEqual({ holds: HOLDS, next: text(NEXT) });
    const alive = await store.heartbeat(GW1);
    expect(alive).toMatchObject({ terms: { holds: HOLDS, next: text(NEXT) } });
    await publisher.end();
  });

  it('publishes what holds as no change, and nothing before there is a deployment', async () => {
    const { store } = current();
    expect(await store.publish()).toEqual({ kind: 'notInitialised' });
    await store.initialise('new');
    expect(await store.publish()).toEqual({ kind: 'unchanged' });
  });

  it('publishes one of two next versions that were judged at the same time', async () => {
    const { store, harness } = current();
    await store.initialise('new');
    const others = await Promise.all([NEXT, OTHER].map((config) => harness.connect(config)));
    await Promise.all(others.map((other) => other.publish()));
    const { next } = await termsOf(store);
    expect([text(NEXT), text(OTHER)]).toContain(next);
    await Promise.all(others.map((other) => other.end()));
  });

  it('lets another next version take the place of one that waits; all are asked anew', async () => {
    const { store, harness, publisher } = await begin(current());
    await publisher.publish();
    await store.heartbeat(GW1, goesBy(NEXT));
    expect(await stancesOf(store)).toEqual(['gw1 goesByBoth']);
    const other = await harness.connect(OTHER);
    expect(await other.publish()).toEqual({ kind: 'published' });
    expect(await stancesOf(store)).toEqual(['gw1 silent']);
    await harness.advance(SILENCE_MS);
    await store.heartbeat(GW1, goesBy(NEXT));
    expect(await termsOf(store)).toEqual({ holds: HOLDS, next: text(OTHER) });
    await Promise.all([publisher.end(), other.end()]);
  });

  it("publishes nothing that gateways which run can't go along with, and names it", async () => {
    const { store, publisher } = await begin(current(), { ...NEXT, leaseMs: 100_000 });
    expect(await publisher.publish()).toMatchObject({
      kind: 'refused',
      problems: [expect.stringMatching(/^leaseMs: /)],
    });
    expect(await termsOf(store)).toEqual({ holds: HOLDS, next: null });
    await publisher.end();
  });
}

function restoring(current: () => Scenario): void {
  it('written back after a loss, what was next is so again, and holds once all agree', async () => {
    const { store, harness } = current();
    store.goBy(CONFORMANCE_CONFIG, NEXT, RECORD_LAYOUT);
    expect(await store.initialise('restored')).toBe(true);
    expect(await termsOf(store)).toEqual({ holds: HOLDS, next: text(NEXT) });
    const [former, later] = [CONFORMANCE_CONFIG, NEXT].map((config) => harness.connect(config));
    expect(await (await former!).initialise('restored')).toBe(false);
    expect(await (await later!).join(GW2)).toMatchObject({ kind: 'joined' });
    await store.join(GW1);
    await harness.advance(SILENCE_MS);
    expect(await store.heartbeat(GW1, goesBy(NEXT))).toMatchObject({
      terms: { holds: text(NEXT), next: null },
    });
    await Promise.all([former, later].map(async (other) => (await other!).end()));
  });
}

/** Who stood still while another configuration began to hold. */
function endingFlows(current: () => Scenario): void {
  it('ends no idle flow by a configuration that is out of force', async () => {
    const s = current();
    const { timeouts } = CONFORMANCE_CONFIG;
    const longer = { ...NEXT, timeouts: { ...timeouts, udpMs: 4 * timeouts.udpMs } };
    const next = new Scenario(s.harness, await s.harness.connect(longer));
    const entry = await s.bound(udp());
    const read = { shard: SHARD, incarnation: GATEWAY_1, last: null, nonce: 1 };
    const { identity } = entry.binding;
    for (let ms = 0; ms < 2 * timeouts.udpMs; ms += SILENCE_MS / 2) {
      await next.store.feed([read]);
      await s.harness.advance(SILENCE_MS / 2);
    }
    await next.store.feed([read]);
    expect(await s.close(udp(), null, identity, 'idle')).toEqual({ kind: 'notYet' });
    expect(await s.sweep()).toMatchObject({ inGrace: true, bindingsDeleted: 0 });
    expect(await next.close(udp(), null, identity, 'idle')).toMatchObject({ kind: 'alive' });
    expect(await s.close(udp(), null, identity, 'cancel')).toEqual({ kind: 'closed' });
    await next.store.end();
  });

  it('goes by what holds again, a lease after anybody went by what then never held', async () => {
    const s = current();
    const { timeouts, leaseMs } = CONFORMANCE_CONFIG;
    const next = await s.harness.connect(NEXT);
    const entry = await s.bound(udp());
    const read = { shard: SHARD, incarnation: GATEWAY_1, last: null, nonce: 1 };
    const pass = async (lastsMs: number) => {
      for (let ms = 0; ms < lastsMs; ms += SILENCE_MS / 2) {
        await s.harness.advance(Math.min(SILENCE_MS / 2, lastsMs - ms));
        await s.store.feed([read]);
      }
    };
    await pass(2 * timeouts.udpMs);
    await next.feed([read]);
    await pass(leaseMs);
    const { identity } = entry.binding;
    expect(await s.close(udp(), null, identity, 'idle')).toEqual({ kind: 'notYet' });
    await pass(1);
    expect(await s.close(udp(), null, identity, 'idle')).toEqual({ kind: 'closed' });
    expect(await s.sweep()).toMatchObject({ inGrace: false });
    await next.end();
  });
}

function acknowledging(current: () => Scenario): void {
  it('holds in the heartbeat of the last live member that goes by both', async () => {
    const { store, harness, publisher } = await begin(current());
    await store.join(GW2);
    await publisher.publish();
    await harness.advance(SILENCE_MS);
    expect(await store.heartbeat(GW1, goesBy(NEXT))).toMatchObject({ terms: { holds: HOLDS } });
    expect(await stancesOf(store)).toEqual(['gw1 goesByBoth', 'gw2 silent']);
    const last = await store.heartbeat(GW2, goesBy(NEXT));
    expect(last).toMatchObject({ terms: { holds: text(NEXT), next: null } });
    expect(await stancesOf(store)).toEqual(['gw1 silent', 'gw2 silent']);
    await publisher.end();
  });

  it('holds no sooner than reapers, who are no members, have had the time to hear', async () => {
    const { store, harness, publisher } = await begin(current());
    await publisher.publish();
    await harness.advance(SILENCE_MS - 1);
    expect(await store.heartbeat(GW1, goesBy(NEXT))).toMatchObject({ terms: { holds: HOLDS } });
    await harness.advance(1);
    expect(await termsOf(store)).toEqual({ holds: text(NEXT), next: null });
    await publisher.end();
  });

  it('waits for a live member that says nothing, and for one that says why not', async () => {
    const { store, harness, publisher } = await begin(current());
    await publisher.publish();
    await harness.advance(SILENCE_MS);
    await store.heartbeat(GW1);
    expect(await termsOf(store)).toMatchObject({ holds: HOLDS });
    const problems = ['ttlMarginMs: found 500000, allowed: less', 'and another thing'];
    await store.heartbeat(GW1, { next: text(NEXT), problems });
    const state = await store.deployment();
    expect(state).toMatchObject({
      terms: { holds: HOLDS, next: text(NEXT) },
      members: [{ name: 'gw1', stance: 'refuses', problems }],
    });
    await publisher.end();
  });

  it('waits neither for the dead nor for who left', async () => {
    const { store, harness, publisher } = await begin(current());
    await store.join(GW2);
    await publisher.publish();
    await harness.advance(CONFORMANCE_CONFIG.leaseMs - 1);
    expect(await store.heartbeat(GW1, goesBy(NEXT))).toMatchObject({ terms: { holds: HOLDS } });
    await harness.advance(1);
    expect(await store.heartbeat(GW1, goesBy(NEXT))).toMatchObject({
      members: [GW1],
      terms: { holds: text(NEXT) },
    });
    await publisher.end();
  });

  it('holds by itself where nobody is alive', async () => {
    const { store, harness, publisher } = await begin(current());
    await publisher.publish();
    await store.leave(GW1);
    await harness.advance(SILENCE_MS);
    expect(await termsOf(publisher)).toEqual({ holds: text(NEXT), next: null });
    await publisher.end();
  });
}

function joining(current: () => Scenario): void {
  it('lets join who has what holds, or what is next: who has that goes by both', async () => {
    const { store, harness, publisher } = await begin(current());
    await publisher.publish();
    expect(await publisher.join(GW2)).toMatchObject({
      kind: 'joined',
      terms: { holds: HOLDS, next: text(NEXT) },
    });
    expect(await store.join(GW1)).toMatchObject({ kind: 'joined' });
    expect(await stancesOf(store)).toEqual(['gw1 silent', 'gw2 goesByBoth']);
    await store.heartbeat(GW1, goesBy(NEXT));
    await harness.advance(SILENCE_MS);
    expect(await termsOf(store)).toEqual({ holds: text(NEXT), next: null });
    await publisher.end();
  });

  it('refuses who was away for a change, names the fields and says what holds', async () => {
    const { store, harness, publisher } = await begin(current());
    await publisher.publish();
    await store.leave(GW1);
    await harness.advance(SILENCE_MS);
    await publisher.join(GW2);
    expect(await store.join(GW1)).toEqual({
      kind: 'configMismatch',
      fields: ['ttlMarginMs', 'version'],
      terms: { holds: text(NEXT), next: null, layout: 1 },
    });
    store.goBy(NEXT, null, 1);
    expect(await store.join(GW1)).toMatchObject({ kind: 'joined', members: [GW1, GW2] });
    await publisher.end();
  });

  it('goes by both while it changes: a flow ends by the longer of two timeouts', async () => {
    const { store } = current();
    const lessMs = 30_000;
    const udpMs = CONFORMANCE_CONFIG.timeouts.udpMs - lessMs;
    const shorter = { ...NEXT, timeouts: { ...NEXT.timeouts, udpMs } };
    store.goBy(CONFORMANCE_CONFIG, shorter, 1);
    expect(store.config.timeouts).toEqual(CONFORMANCE_CONFIG.timeouts);
    const before = await lifeOfNew(current(), 0);
    store.goBy(shorter, null, 1);
    expect(await lifeOfNew(current(), 1)).toBe(before - lessMs - lessMs / 3);
    store.goBy(shorter, { ...CONFORMANCE_CONFIG, version: 3 }, 1);
    expect(await lifeOfNew(current(), 2)).toBe(before);
    await sweptWhenDue(current());
  });

  it('keeps what is there for as long as timeouts that have grown ask for', async () => {
    const { store, harness } = current();
    const { timeouts } = CONFORMANCE_CONFIG;
    store.goBy({ ...NEXT, timeouts: { ...timeouts, udpMs: 121_000 } }, null, 1);
    const lifeMs = await lifeOfNew(current(), 0);
    store.goBy(CONFORMANCE_CONFIG, null, 1);
    await harness.advance(lifeMs);
    expect(await current().sweep()).toMatchObject({ bindingsDeleted: 0, looks: 1 });
    expect(await current().find(udp(0))).toMatchObject({ kind: 'entry' });
  });
}

/** Keys were kept by shorter timeouts and margins: the sweep that looks at them mends it. */
async function sweptWhenDue(scenario: Scenario): Promise<void> {
  const { nextDueMs } = await scenario.sweep();
  await scenario.harness.advance(nextDueMs!);
  await scenario.sweep();
}

async function lifeOfNew(scenario: Scenario, n: number): Promise<number> {
  const { binding } = await scenario.bound(udp(n));
  return binding.lifeMs;
}
