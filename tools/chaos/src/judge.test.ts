import { describe, expect, it } from 'vitest';
import { GAP_MS_MAX, isExplained, judge, RECOVERY_MS } from './judge.ts';
import type { FlowStory } from './traffic/story.ts';
import { type Suffering, type Window, Windows } from './windows.ts';

const window = (fromMs: number, toMs: number, suffering: Suffering): Window => {
  const windows = new Windows();
  windows.add('test', fromMs, toMs, suffering);
  return windows.all[0]!;
};

function story(over: Partial<FlowStory> = {}): FlowStory {
  return {
    flow: 'f',
    kind: 'trickle',
    inside: '198.18.1.10:40000',
    beganMs: 0,
    openedMs: 10,
    endedMs: 600_000,
    heardMs: 599_000,
    outcome: 'survived',
    why: '',
    misdelivered: 0,
    lost: 0,
    gaps: [],
    longestGapMs: 0,
    ...over,
  };
}

const broken = (stories: FlowStory[], windows: Window[] = []) =>
  judge(stories, [], windows).map(({ invariant }) => invariant);

describe('a violation is', () => {
  it('another flow’s payload, whatever was wrong meanwhile', () => {
    const always = window(0, Infinity, { stalls: true, refuses: true, loses: true });
    expect(broken([story({ misdelivered: 1 })], [always])).toEqual(['I1 misdelivery']);
  });

  it('an outside endpoint that changed hands within the quarantine', () => {
    const at = { outside: '203.0.113.1:5000', inside: 'b', former: 'a', agoMs: 7 };
    const [violation] = judge([], [{ protocol: 'udp', ...at }], []);
    expect(violation).toMatchObject({ invariant: 'I1 no sharing', times: 1 });
  });

  it('a reset connection, unless it was opened when the store could not be told', () => {
    const reset = story({ outcome: 'reset', openedMs: 50_000, endedMs: 70_000 });
    expect(broken([reset])).toEqual(['I6 survival']);
    expect(broken([reset], [window(60_000, 80_000, { loses: true, stalls: true })])).toEqual([
      'I6 survival',
    ]);
    expect(broken([reset], [window(40_000, 60_000, { loses: true })])).toEqual([]);
  });

  it('none of one that only a dead gateway and a store that forgot knew', () => {
    const life = { openedMs: 10_000, heardMs: 49_000, endedMs: 70_000 };
    const reset = story({ kind: 'idle', outcome: 'reset', ...life });
    const killed = window(50_000, 51_000, { kills: true });
    const forgot = window(60_000, 65_000, { forgets: true });
    expect(broken([reset], [killed, forgot])).toEqual([]);
    expect(broken([reset], [killed])).toEqual(['I6 survival']);
    expect(broken([reset], [forgot])).toEqual(['I6 survival']);
    expect(broken([{ ...reset, heardMs: 52_000 }], [killed, forgot])).toEqual(['I6 survival']);
  });

  it('a changed outside endpoint, unless it moved to a gateway that could not ask', () => {
    const changed = story({ kind: 'udp', outcome: 'reset', changedMs: 70_000 });
    const away = window(60_000, 110_000, { storeAway: true, loses: true });
    const flap = window(62_000, 72_000, { reroutes: true });
    expect(broken([changed])).toEqual(['I6 survival']);
    expect(broken([changed], [away])).toEqual(['I6 survival']);
    expect(broken([changed], [flap])).toEqual(['I6 survival']);
    expect(broken([changed], [away, flap])).toEqual([]);
    expect(broken([{ ...changed, changedMs: 130_000 }], [away, flap])).toEqual(['I6 survival']);
  });

  it('a long silence of a known flow that no fault explains', () => {
    const silent = story({ gaps: [[100_000, 100_000 + GAP_MS_MAX + 1]] });
    expect(broken([silent])).toEqual(['I7 known flows']);
    // The store may be away for as long as it likes: known flows go on.
    expect(broken([silent], [window(90_000, 120_000, { storeAway: true })])).toEqual([
      'I7 known flows',
    ]);
    expect(broken([silent], [window(99_000, 103_000, { stalls: true })])).toEqual([]);
  });

  it('none that is as long as an overloaded machine makes it', () => {
    const silent = story({ gaps: [[100_000, 100_000 + 2 * GAP_MS_MAX]] });
    expect(judge([silent], [], [], { patience: 2 })).toEqual([]);
    expect(judge([silent], [], [], { patience: 1.9 })).toHaveLength(1);
  });

  it('none before it was known: it began when the store was away, say', () => {
    const late = story({ beganMs: 90_000, openedMs: 95_000, gaps: [[90_000, 95_000]] });
    expect(broken([late])).toEqual([]);
  });

  it('none where packets changed gateways while the store was away', () => {
    const silent = story({ gaps: [[100_000, 110_000]] });
    const away = window(90_000, 110_000, { storeAway: true });
    const moved = window(100_000, 100_500, { reroutes: true });
    expect(broken([silent], [away])).toEqual(['I7 known flows']);
    expect(broken([silent], [away, moved])).toEqual([]);
    // A flow that idles finds out with its next word.
    expect(broken([silent], [away, window(80_000, 80_500, { reroutes: true })])).toEqual([]);
    expect(broken([silent], [away, window(60_000, 60_500, { reroutes: true })])).toEqual([
      'I7 known flows',
    ]);
  });

  it('told with what there is to be known of the flow', () => {
    const reset = story({ outcome: 'reset' });
    const recordsOf = (inside: string) => [`records of ${inside}`];
    const [violation] = judge([reset], [], [], { recordsOf });
    expect(violation!.examples[0]).toMatch(/\n {4}records of 198\.18\.1\.10:40000$/);
  });

  it('a new flow that does not open in calm', () => {
    const refused = story({ openedMs: null, outcome: 'refused', beganMs: 50_000, endedMs: 60_000 });
    expect(broken([refused])).toEqual(['I7 new flows']);
    expect(broken([refused], [window(40_000, 55_000, { refuses: true })])).toEqual([]);
  });
});

describe('a silence is explained', () => {
  const outage = [window(10_000, 20_000, { stalls: true })];

  it('while the fault lasts, and as long again as TCP waits to try again', () => {
    expect(isExplained(10_000, 20_000 + RECOVERY_MS, outage)).toBe(true);
    expect(isExplained(10_000, 30_000 + RECOVERY_MS, outage)).toBe(true);
    expect(isExplained(10_000, 30_001 + RECOVERY_MS, outage)).toBe(false);
  });

  it('not by a fault that was over before it began', () => {
    expect(isExplained(20_001, 40_000, outage)).toBe(false);
  });
});
