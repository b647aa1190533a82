import { RECORD_LAYOUT, silenceMs } from '@flowstore/flow';
import { expect, it } from 'vitest';
import type { MemberInfo } from '../contract.ts';
import { CONFORMANCE_CONFIG as CONFIG } from './harness.ts';
import { GATEWAY_1, GATEWAY_2, type Scenario } from './scenario.ts';

const GW1: MemberInfo = {
  name: 'gw1',
  incarnation: GATEWAY_1,
  controlUrl: 'http://192.0.2.101:9464',
  peerAddress: null,
};
const GW2: MemberInfo = { ...GW1, name: 'gw2', incarnation: GATEWAY_2 };
const NEXT_LAYOUT = RECORD_LAYOUT + 1;
const written = RECORD_LAYOUT;

export function layoutTests(current: () => Scenario): void {
  it('lets nobody join who can’t read the layout that is written, and names it', async () => {
    const { store, harness } = current();
    await store.initialise('new');
    for (const layout of [RECORD_LAYOUT - 1, RECORD_LAYOUT + 2]) {
      const other = await harness.connect(CONFIG, layout);
      expect(await other.join(GW1)).toEqual({ kind: 'layoutMismatch', written });
      await other.end();
    }
  });

  it('writes the next layout a silence after the last live member reads it', async () => {
    const { store, harness } = current();
    await store.initialise('new');
    await store.join(GW1);
    const newer = await harness.connect(CONFIG, NEXT_LAYOUT);
    expect(await newer.join(GW2)).toMatchObject({ terms: { layout: RECORD_LAYOUT } });
    await harness.advance(silenceMs(CONFIG));
    expect(await newer.heartbeat(GW2)).toMatchObject({ terms: { layout: RECORD_LAYOUT } });
    await store.leave(GW1);
    expect(await newer.deployment()).toMatchObject({ nextLayout: NEXT_LAYOUT });
    await harness.advance(silenceMs(CONFIG));
    expect(await newer.heartbeat(GW2)).toMatchObject({ terms: { layout: NEXT_LAYOUT } });
    expect(await store.join(GW1)).toEqual({ kind: 'layoutMismatch', written: NEXT_LAYOUT });
    await newer.end();
  });

  it('does not, where a member comes back meanwhile that does not read it', async () => {
    const { store, harness } = current();
    await store.initialise('new');
    const newer = await harness.connect(CONFIG, NEXT_LAYOUT);
    await newer.join(GW2);
    await store.join(GW1);
    expect(await newer.deployment()).toMatchObject({ nextLayout: null });
    await harness.advance(silenceMs(CONFIG));
    expect(await newer.heartbeat(GW2)).toMatchObject({ terms: { layout: RECORD_LAYOUT } });
    await newer.end();
  });
}
