/**
 * Sweeping, without a queue: drains what is due in a set of shards, one bounded call after the
 * other, and leaves what is not. All judgement is the store's: it deletes by check-and-delete, so
 * sweeping the same shard twice at once, or late, changes nothing.
 */
import type { FlowStore, SweepResult } from '@flowstore/flow-store';

export interface SweepLimits {
  /** For the next call. */
  readonly looks: () => number;
  /** In all. */
  readonly callsMax: number;
}

export interface SweepWatch {
  /** After each call that was answered. */
  readonly onCall: (shard: number, result: SweepResult, durationMs: number) => void;
  /** A clock that never goes back. */
  readonly nowMs: () => number;
  /** No further call once this is aborted. */
  readonly stopping: AbortSignal;
}

/** What a sweep does beside looking, by kind: what would be jobs of their own elsewhere. */
export const SWEPT = [
  'flowsDeleted',
  'bindingsDeleted',
  'rowsOrphaned',
  'portsFreed',
  'leasesExpired',
  'recounts',
] as const satisfies readonly (keyof SweepResult)[];

export type Swept = Record<(typeof SWEPT)[number], number>;

export interface SweepSummary extends Readonly<Swept> {
  readonly calls: number;
  /** Shards where more is due: the limit came first, or the stop. */
  readonly unfinished: number;
  /** How far behind the worst of the shards was. */
  readonly overdueMs: number;
}

/**
 * Takes the shards in turn, one call each, so that a shard with a long backlog does not keep the
 * others waiting; a shard drops out once nothing more of it is due. Rejects as soon as a call does.
 */
export async function sweepShards(
  store: Pick<FlowStore, 'sweep'>,
  shards: readonly number[],
  { looks, callsMax }: SweepLimits,
  { onCall, nowMs, stopping }: SweepWatch,
): Promise<SweepSummary> {
  let due = [...shards];
  let calls = 0;
  let overdueMs = 0;
  const swept = Object.fromEntries(SWEPT.map((kind) => [kind, 0])) as Swept;
  while (due.length > 0) {
    const stillDue: number[] = [];
    for (const [i, shard] of due.entries()) {
      if (calls >= callsMax || stopping.aborted) {
        return { calls, unfinished: stillDue.length + due.length - i, overdueMs, ...swept };
      }
      const startMs = nowMs();
      const result = await store.sweep(shard, looks());
      calls += 1;
      overdueMs = Math.max(overdueMs, result.overdueMs);
      for (const kind of SWEPT) swept[kind] += result[kind];
      onCall(shard, result, nowMs() - startMs);
      if (result.nextDueMs === 0) stillDue.push(shard);
    }
    due = stillDue;
  }
  return { calls, unfinished: 0, overdueMs, ...swept };
}

/** Deals the shards to `sets` sets whose sizes differ by one at most. */
export function shardSets(shardCount: number, sets: number): number[][] {
  return Array.from({ length: sets }, (_, set) =>
    Array.from({ length: Math.ceil((shardCount - set) / sets) }, (_, i) => set + i * sets),
  );
}
