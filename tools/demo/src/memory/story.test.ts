import { randomInt } from 'node:crypto';
import type { FlowStore } from '@flowstore/flow-store';
import { ModelData, ModelFlowStore } from '@flowstore/flow-store/testing';
import { bootClock } from '@flowstore/packet-io';
import { expect, test } from 'vitest';
import type { OpenStore } from './gateway.ts';
import { CONFIG } from './plan.ts';
import { playStory, type StoryOptions } from './story.ts';

const clock = bootClock();

/** The model stands in for Redis where the store is not the point. */
function modelStore(): OpenStore {
  const data = new ModelData();
  const nowMs = () => Math.floor(clock()) + 3e10;
  return async () => new ModelFlowStore({ config: CONFIG, nowMs, data });
}

function shortStory(overrides: Partial<StoryOptions>): StoryOptions {
  const random = () => randomInt(2 ** 32);
  return {
    openStore: modelStore(),
    clock,
    random,
    seed: 7,
    downloadBytes: 700_000,
    downloadMs: 1_500,
    connections: 40,
    trickleEveryMs: 100,
    probeEveryMs: 50,
    awayMs: 200,
    settleMaxMs: 1_000,
    say: () => {},
    signal: new AbortController().signal,
    ...overrides,
  };
}

test('two kills, and nothing is lost', async () => {
  const lines: string[] = [];
  const result = await playStory(shortStory({ say: (line) => lines.push(line) }));
  expect(result.failures).toEqual([]);
  expect(result.gateways.map(({ kills }) => kills)).toEqual([1, 1]);
  expect(result.traffic.map(({ opened, survived }) => [opened, survived])).toEqual([
    [1, 1],
    [40, 40],
    [2, 2],
    [2, 2],
  ]);
  for (const gateway of result.gateways) {
    expect(gateway.packetsOut).toBeGreaterThan(0);
    expect(gateway.packetsIn).toBeGreaterThan(0);
    expect(gateway.foundInStore).toBeGreaterThan(0);
  }
  expect(lines.filter((line) => / killed: it carried \d+ of 40/.test(line))).toHaveLength(2);
});

/** From the first kill on, the store claims that it knows no flow. */
function forgetful(openStore: OpenStore): Partial<StoryOptions> {
  let forgets = false;
  const say = (line: string) => {
    if (line.includes('killed')) forgets = true;
  };
  const forgetfulStore = async (): Promise<FlowStore> => {
    const store = await openStore();
    const find: FlowStore['find'] = async (requests) =>
      forgets ? requests.map(() => ({ kind: 'no' })) : store.find(requests);
    return new Proxy(store, {
      get: (target, name) => {
        if (name === 'find') return find;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  return { openStore: forgetfulStore, say };
}

test('a store that forgets its flows shows: the demo can fail', async () => {
  const result = await playStory(shortStory(forgetful(modelStore())));
  const tcp = result.traffic.find(({ name }) => name === 'TCP')!;
  expect(tcp.opened).toBe(40);
  expect(tcp.survived).toBeLessThan(40);
  expect(tcp.reset).toBeGreaterThan(0);
  expect(result.failures).toEqual(
    expect.arrayContaining([expect.stringMatching(/^connection \d+ was reset/)]),
  );
});

test('a user who gives up ends it at once', async () => {
  const abort = new AbortController();
  const say = (line: string) => {
    if (line.includes('download begins')) abort.abort(new Error('enough'));
  };
  const ends: number[] = [];
  const open = modelStore();
  const openStore = async () => {
    const store = await open();
    store.end = async () => void ends.push(1);
    return store;
  };
  const story = playStory(shortStory({ say, openStore, signal: abort.signal }));
  await expect(story).rejects.toThrow('enough');
  // The one that initialised, and one per gateway.
  expect(ends).toHaveLength(3);
});
