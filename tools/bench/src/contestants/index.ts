/** Who takes part, by the name that the JSON gives them. */
import { AncestorHeap } from '../ancestors/heap.ts';
import { AncestorTimeout } from '../ancestors/timeout.ts';
import type { NewContestant } from '../measure.ts';
import { FlowTableContestant } from './flow-table.ts';
import { LruCacheContestant } from './lru-cache.ts';
import { MapContestant } from './map.ts';

/** Those that run in Node. */
export const CONTESTANTS = {
  table: (deadlines) => new FlowTableContestant(deadlines, 'wheel'),
  map: (deadlines) => new MapContestant(deadlines),
  lruCache: (deadlines) => new LruCacheContestant(deadlines),
  ancestorHeap: (deadlines) =>
    new FlowTableContestant(deadlines, (context) => new AncestorHeap(context)),
  ancestorTimeout: (deadlines) =>
    new FlowTableContestant(deadlines, (context) => new AncestorTimeout(context)),
} satisfies Record<string, NewContestant>;

export type NodeContestant = keyof typeof CONTESTANTS;
export type ContestantName = NodeContestant | 'rust';
