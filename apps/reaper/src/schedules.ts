/**
 * What is to be done how often. Every reaper puts the same schedulers there, under the same ids.
 *
 * A scheduler carries what the next job needs to know of the last one: a sweep's priority says how
 * far behind its shards were, the audit's data where it stopped.
 */
import { SHARDS } from '@flowstore/flow';
import type { ReaperConfig } from './config.ts';
import { shardSets } from './sweep.ts';

export const JOB_NAMES = ['sweep', 'trim', 'audit'] as const;
export type JobName = (typeof JOB_NAMES)[number];

/** BullMQ takes the lowest first. Sweeps that are behind go before those that are not. */
const PRIORITY_NOT_BEHIND = 20;
const PRIORITY_LEAST = 30;

export interface JobData {
  /** Of a sweep. */
  readonly shards?: readonly number[];
  /** Of the audit: where it goes on. */
  readonly place?: string | null;
}

/** What the next job of a scheduler is like. */
export interface JobTemplate {
  readonly data: JobData;
  readonly priority: number;
}

export interface Schedule extends JobTemplate {
  readonly id: string;
  readonly name: JobName;
  readonly everyMs: number;
}

export function schedulesOf({ sweep, trim, audit }: ReaperConfig): Schedule[] {
  const sweeps = shardSets(SHARDS, sweep.sets).map((shards, set): Schedule => {
    const id = `sweep-${set}-of-${sweep.sets}`;
    return { id, name: 'sweep', everyMs: sweep.everyMs, ...sweepTemplate(shards, 0) };
  });
  const rest: Omit<Schedule, 'id'>[] = [
    { name: 'trim', everyMs: trim.everyMs, data: {}, priority: PRIORITY_LEAST },
    { name: 'audit', everyMs: audit.everyMs, ...auditTemplate(null) },
  ];
  return [...sweeps, ...rest.map((schedule) => ({ id: schedule.name, ...schedule }))];
}

/** The further behind, the sooner: each step is twice the time of the one before. */
export function sweepTemplate(shards: readonly number[], overdueMs: number): JobTemplate {
  const steps = Math.floor(Math.log2(1 + overdueMs / 1_000));
  return { data: { shards }, priority: Math.max(1, PRIORITY_NOT_BEHIND - steps) };
}

export function auditTemplate(place: string | null): JobTemplate {
  return { data: { place }, priority: PRIORITY_LEAST };
}
