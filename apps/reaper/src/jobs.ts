/** What each kind of job does, and what its scheduler's next job has to know. */
import { SHARDS } from '@flowstore/flow';
import type { Logger } from '@flowstore/service';
import { runAuditJob } from './audit-job.ts';
import type { ReaperConfig } from './config.ts';
import type { Sweepable } from './config-watch.ts';
import type { JobResult } from './queue.ts';
import { auditTemplate, type JobData, type JobName, sweepTemplate } from './schedules.ts';
import { runSweepJob, type SweepJobParts } from './sweep-job.ts';

export interface JobParts extends Omit<SweepJobParts, 'store' | 'callsMax'> {
  readonly store: Sweepable;
  readonly config: ReaperConfig;
  readonly log: Logger;
}

export async function workOn(parts: JobParts, name: JobName, data: JobData): Promise<JobResult> {
  const { metrics, nowMs } = parts;
  const startMs = nowMs();
  try {
    return await JOBS[name](parts, data);
  } finally {
    metrics.jobSeconds.observe({ job: name }, (nowMs() - startMs) / 1_000);
  }
}

const JOBS: Readonly<Record<JobName, (parts: JobParts, data: JobData) => Promise<JobResult>>> = {
  async sweep(parts, { shards = [] }) {
    const { callsMax } = parts.config.sweep;
    const summary = await runSweepJob({ ...parts, callsMax }, shards);
    return { summary, next: sweepTemplate(shards, summary.overdueMs) };
  },

  async trim({ store, metrics, stopping }) {
    let batches = 0;
    for (let shard = 0; shard < SHARDS && !stopping.aborted; shard++) {
      batches += await store.trim(shard);
    }
    metrics.feedBatchesTrimmed.inc(batches);
    return { summary: { batches } };
  },

  async audit({ store, config, metrics, log, stopping }, { place = null }) {
    const summary = await runAuditJob(
      {
        store,
        keysMax: config.audit.keysMax,
        onStep: (step) => metrics.audited(step),
        onFinding: (finding) => log.warn(finding, 'audit: found what does not agree'),
        stopping,
      },
      place,
    );
    return { summary, next: auditTemplate(summary.place) };
  },
};
