import { blockOfShard } from '@flowstore/flow';
import { expect, it } from 'vitest';
import { type FlowStore, StoreUnavailable } from '../contract.ts';
import { CONFORMANCE_CONFIG } from './harness.ts';
import { GATEWAY_1, NOTHING_SEEN, POOL, portOf, type Scenario, SHARD, udp } from './scenario.ts';

const MEMBER = {
  name: 'gw1',
  incarnation: GATEWAY_1,
  controlUrl: 'http://192.0.2.101:9464',
  peerAddress: null,
};
const FEED = { shard: SHARD, incarnation: GATEWAY_1, last: null, nonce: 1 };

/** A client of the same store that wants a replica, where there is none. */
function strict({ harness }: Scenario): Promise<FlowStore> {
  return harness.connect({ ...CONFORMANCE_CONFIG, minReplicas: 1 });
}

async function hasNoAnswer(call: Promise<readonly unknown[]>): Promise<boolean> {
  try {
    return (await call).every((result) => result === null);
  } catch (error) {
    return error instanceof StoreUnavailable;
  }
}

export function replicationTests(current: () => Scenario): void {
  it('answers no grant, renewal or heartbeat that too few replicas have', async () => {
    const store = await strict(current());
    const { block } = await current().lease(17);
    const ref = { protocol: 17, address: POOL, block, incarnation: GATEWAY_1 };
    const range = { shard: SHARD, protocol: 17, address: POOL, blocks: 1, start: 9 };
    expect(await hasNoAnswer(store.lease([{ ...range, incarnation: GATEWAY_1 }]))).toBe(true);
    expect(await hasNoAnswer(store.renew([ref]))).toBe(true);
    expect(await hasNoAnswer(store.feed([FEED]))).toBe(true);
    await expect(store.initialise('new')).rejects.toThrow(StoreUnavailable);
    await expect(store.join(MEMBER)).rejects.toThrow(StoreUnavailable);
    await expect(store.heartbeat(MEMBER)).rejects.toThrow(StoreUnavailable);
    await store.end();
  });

  it('answers everything else all the same', async () => {
    const s = current();
    const store = await strict(s);
    const proposal = portOf(await s.lease(17), 0);
    const [opened] = await store.open([s.opening(udp(), { proposal })]);
    if (opened?.kind !== 'created') throw new Error(`not created but ${opened?.kind}`);
    const { identity } = opened.entry.binding;
    const request = { inside: udp(), outside: proposal, remote: null, identity };
    const find = { direction: 'inside', inside: udp(), remote: null } as const;
    expect((await store.find([find]))[0]!.kind).toBe('entry');
    expect((await store.touch([{ ...request, seen: NOTHING_SEEN }]))[0]!.kind).toBe('merged');
    expect((await store.close([{ ...request, reason: 'cancel' }]))[0]!.kind).toBe('closed');
    expect((await store.sweep(SHARD, 1)).inGrace).toBe(false);
    await store.end();
  });

  it('may have done what it does not answer', async () => {
    const s = current();
    const store = await strict(s);
    const incarnation = GATEWAY_1;
    const range = { shard: SHARD, protocol: 17, address: POOL, blocks: 1, start: 0 };
    expect(await hasNoAnswer(store.lease([{ ...range, incarnation }]))).toBe(true);
    const block = blockOfShard(SHARD, 17, POOL, 0);
    const [renewed] = await s.store.renew([{ protocol: 17, address: POOL, block, incarnation }]);
    expect(renewed!.kind).toBe('renewed');
    await store.end();
  });
}
