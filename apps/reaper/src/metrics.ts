/** What the reaper did, for Prometheus. */
import type { SweepResult } from '@flowstore/flow-store';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Overdue } from './overdue.ts';

const DONE = {
  blocks: 'Blocks looked at',
  flowsDeleted: 'Flows deleted',
  bindingsDeleted: 'Bindings deleted',
  rowsOrphaned: 'Rows without an entry that went into quarantine',
  portsFreed: 'Ports whose quarantine was over',
  leasesExpired: 'Leases whose time was over',
} as const satisfies Partial<Record<keyof SweepResult, string>>;

/** Seconds; a sweep call should hold Redis for less than the first of them. */
const CALL_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];
const JOB_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120];

export type ReaperMetrics = ReturnType<typeof createMetrics>;

export function createMetrics(registry: Registry, overdue: Overdue, ready: () => boolean) {
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
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `flowstore_reaper_${name}_seconds`, help, buckets, registers });

  const done = Object.entries(DONE).map(([field, help]) => {
    const snake = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return { field: field as keyof typeof DONE, counter: counter(snake, help) };
  });
  gauge('overdue_seconds', 'Age of the oldest due deadline this reaper met lately', () =>
    overdue.seconds(),
  );
  gauge('ready', 'Whether it can sweep: 1 or 0', () => (ready() ? 1 : 0));
  const callSeconds = histogram('sweep_call', 'Sweep calls', CALL_BUCKETS);

  return {
    jobs: counter('jobs', 'Jobs by how they ended', ['outcome']),
    callsFailed: counter('sweep_calls_failed', 'Sweep calls that the store did not answer'),
    jobSeconds: histogram('job', 'Jobs from start to end', JOB_BUCKETS),
    swept(result: SweepResult, durationMs: number) {
      for (const { field, counter } of done) counter.inc(result[field]);
      callSeconds.observe(durationMs / 1_000);
    },
  };
}
