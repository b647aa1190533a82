/**
 * Two releases that differ in the layout of records: this one, taught to get on with a layout
 * before the first, and the one that had it. Of tests alone, until there is a second layout.
 */
import { readFileSync } from 'node:fs';
import { type ClusterConfig, RECORD_LAYOUT } from '@flowstore/flow';
import type { FlowStore } from '../../contract.ts';
import { connectRedisStore } from '../../redis/connect.ts';
import type { Release } from '../../redis/release.ts';

export const FORMER_LAYOUT = RECORD_LAYOUT - 1;
const FORMER_HEAD_BYTES = 26;

const bridge = readFileSync(new URL('./bridge.lua', import.meta.url), 'utf8');
const isKnown = 'if #bytes % 6 ~= 2 then return bytes end';

export const BRIDGED: Release = { layout: RECORD_LAYOUT, bridge };
/** Knows nothing of what came after it. */
export const FORMER: Release = {
  layout: FORMER_LAYOUT,
  bridge: bridge.replace(isKnown, "if #bytes % 6 ~= 2 then error('a later layout') end"),
};

/** Both over the same keys, while both are there: every call goes to the other one. */
export async function inTurns(url: string, config: ClusterConfig): Promise<FlowStore> {
  const former = await connectRedisStore({ url, config, release: FORMER });
  const bridged = await connectRedisStore({ url, config, release: BRIDGED });
  bridged.goBy(config, null, FORMER_LAYOUT);
  let turn = 0;
  return new Proxy<FlowStore>(former, {
    get(_, name: keyof FlowStore) {
      // What is awaited is asked whether it is a promise.
      if (typeof former[name] !== 'function') return former[name];
      if (name === 'end') return () => Promise.all([former.end(), bridged.end()]);
      const store = turn++ % 2 === 0 ? former : bridged;
      return (store[name] as (...args: unknown[]) => unknown).bind(store);
    },
  });
}

/** A record of an entry, whichever its layout, in this release's. */
export function inThisLayout(bytes: Buffer): Buffer {
  if (bytes.length % 6 !== 2) return bytes;
  const [state, flags, identity, rest] = [
    bytes.subarray(0, 12),
    bytes.subarray(12, 13),
    bytes.subarray(13, 25),
    bytes.subarray(FORMER_HEAD_BYTES),
  ];
  return Buffer.concat([identity, flags, state, rest]);
}
