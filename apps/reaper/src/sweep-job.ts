/** One job: sweeps its shards and tells metrics and readiness what came of it. */
import type { FlowStore } from '@flowstore/flow-store';
import type { CallSize } from './call-size.ts';
import type { Health } from './health.ts';
import type { ReaperMetrics } from './metrics.ts';
import type { Overdue } from './overdue.ts';
import { type SweepSummary, sweepShards } from './sweep.ts';

export interface SweepJobParts {
  readonly store: Pick<FlowStore, 'sweep'>;
  readonly size: CallSize;
  readonly callsMax: number;
  readonly health: Health;
  readonly metrics: ReaperMetrics;
  readonly overdue: Overdue;
  readonly nowMs: () => number;
  readonly stopping: AbortSignal;
}

export async function runSweepJob(
  { store, size, callsMax, health, metrics, overdue, nowMs, stopping }: SweepJobParts,
  shards: readonly number[],
): Promise<SweepSummary> {
  const limits = { looks: () => size.looks(), callsMax };
  try {
    return await sweepShards(store, shards, limits, {
      nowMs,
      stopping,
      onCall(shard, result, durationMs) {
        health.storeAnswered();
        const heldMs = result.heldMs ?? durationMs;
        size.note(result.looks, heldMs);
        overdue.note(shard, result.overdueMs);
        metrics.swept(result, heldMs);
      },
    });
  } catch (error) {
    metrics.callsFailed.inc();
    health.storeFailed((error as Error).message);
    throw error;
  }
}
