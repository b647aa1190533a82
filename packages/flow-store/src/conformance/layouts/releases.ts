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
export const FORMER_KIND = 0x7a; // 'z'

const bridge = readFileSync(new URL('./bridge.lua', import.meta.url), 'utf8');
const knowsLater = 'if not row or field == LEASE or string.byte(row) ~= FORMER then return row end';

export const BRIDGED: Release = { layout: RECORD_LAYOUT, bridge };
/** Knows nothing of what came after it. */
export const FORMER: Release = {
  layout: FORMER_LAYOUT,
  bridge: bridge.replace(
    knowsLater,
    `if row and field ~= LEASE and string.byte(row) >= BOUND then error('a later layout') end
  ${knowsLater}`,
  ),
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

/** A port's row, whichever its layout, in this release's. */
export function inThisLayout(bytes: Buffer): Buffer {
  if (bytes[0] !== FORMER_KIND) return bytes;
  return Buffer.concat([bytes.subarray(-1), bytes.subarray(1, -1)]);
}
