/** What the reaper did, for Prometheus. */
import { AUDIT_FINDINGS, type AuditStep, type SweepResult } from '@flowstore/flow-store';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CallSize } from './call-size.ts';
import type { Overdue } from './overdue.ts';

const DONE = {
  looks: 'Flows, marks and empty blocks that sweeps looked at',
  blocks: 'Blocks looked at',
  flowsDeleted: 'Flows deleted',
  bindingsDeleted: 'Bindings deleted',
  rowsOrphaned: 'Rows without an entry that went into quarantine',
  portsFreed: 'Ports whose quarantine was over',
  leasesExpired: 'Leases whose time was over',
  recounts: 'Shards whose subscribers were counted anew',
} as const satisfies Partial<Record<keyof SweepResult, string>>;

/** Seconds; 99 of 100 sweep calls should hold Redis for less than half a ms. */
const CALL_BUCKETS = [
  0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5,
];
const JOB_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120];

export type ReaperMetrics = ReturnType<typeof createMetrics>;

export interface MetricSources {
  readonly overdue: Overdue;
  readonly size: CallSize;
  readonly ready: () => boolean;
}

export function createMetrics(registry: Registry, { overdue, size, ready }: MetricSources) {
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `flowstore_reaper_${name}_total`, help, labelNames, registers });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `flowstore_reaper_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const histogram = (name: string, help: string, buckets: number[], labelNames: string[] = []) =>
    new Histogram({
      name: `flowstore_reaper_${name}_seconds`,
      help,
      buckets,
      labelNames,
      registers,
    });

  const done = Object.entries(DONE).map(([field, help]) => {
    const snake = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return { field: field as keyof typeof DONE, counter: counter(snake, help) };
  });
  gauge('overdue_seconds', 'Age of the oldest due deadline this reaper met lately', () =>
    overdue.seconds(),
  );
  gauge('ready', 'Whether it can sweep: 1 or 0', () => (ready() ? 1 : 0));
  gauge('sweep_call_looks', 'What a sweep call may look at now', () => size.looks());
  const findings = counter('audit_findings', 'What did not agree, by kind', ['kind']);
  // So that the rate of the first one is seen.
  for (const kind of AUDIT_FINDINGS) findings.inc({ kind }, 0);
  const checked = counter('audit_keys', 'Entries and blocks that the audit checked');
  const notYet = counter('audit_keys_in_grace', 'Those it left alone, their shard being in grace');
  const walks = counter('audit_walks', 'Walks over everything that came to their end');
  const callSeconds = histogram('sweep_call', 'How long sweep calls held the store', CALL_BUCKETS);

  return {
    jobs: counter('jobs', 'Jobs by how they ended', ['job', 'outcome']),
    callsFailed: counter('sweep_calls_failed', 'Sweep calls that the store did not answer'),
    jobSeconds: histogram('job', 'Jobs from start to end', JOB_BUCKETS, ['job']),
    feedBatchesTrimmed: counter('feed_batches_trimmed', 'Batches taken out of quiet feeds'),
    swept(result: SweepResult, heldMs: number) {
      for (const { field, counter } of done) counter.inc(result[field]);
      callSeconds.observe(heldMs / 1_000);
    },
    audited(step: AuditStep) {
      checked.inc(step.checked);
      notYet.inc(step.notYet);
      if (step.next === null) walks.inc();
      for (const { kind } of step.findings) findings.inc({ kind });
    },
  };
}
