/** What each program of the lab takes, memory and file descriptors, while it is the same one. */
import { readdirSync, readFileSync } from 'node:fs';
import type { LabStatus } from '@flowstore/lab';
import { nowMs } from './clock.ts';

const PAGE_BYTES = 4_096;
const MOMENTS_MAX = 10;

interface Sample {
  readonly atMs: number;
  readonly rssBytes: number;
  readonly fds: number;
}

export interface Vital {
  readonly name: string;
  readonly minutes: number;
  /** At so many moments, equally far from each other, the last one included. */
  readonly rssMb: readonly number[];
  /** Least squares over the later half: a process that has just started grows. */
  readonly mbPerMinute: number;
  readonly fdsFirst: number;
  readonly fdsLast: number;
}

function sample(pid: number): Sample | null {
  try {
    const [, pages] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ');
    const fds = readdirSync(`/proc/${pid}/fd`).length;
    return { atMs: nowMs(), rssBytes: Number(pages) * PAGE_BYTES, fds };
  } catch {
    return null; // It ended while we looked.
  }
}

/** By how much `rssBytes` grows in a millisecond. */
export function slope(samples: readonly Pick<Sample, 'atMs' | 'rssBytes'>[]): number {
  const mean = (of: (each: Pick<Sample, 'atMs' | 'rssBytes'>) => number) =>
    samples.reduce((sum, each) => sum + of(each), 0) / samples.length;
  const [at, rss] = [mean(({ atMs }) => atMs), mean(({ rssBytes }) => rssBytes)];
  const covariance = mean(({ atMs, rssBytes }) => (atMs - at) * (rssBytes - rss));
  const variance = mean(({ atMs }) => (atMs - at) ** 2);
  return variance === 0 ? 0 : covariance / variance;
}

/** `MOMENTS_MAX` of them at most, equally far from each other, the last one included. */
export function moments<T>(samples: readonly T[]): T[] {
  const count = Math.min(MOMENTS_MAX, samples.length);
  return Array.from({ length: count }, (_, k) => {
    return samples[Math.ceil(((k + 1) * samples.length) / count) - 1]!;
  });
}

export class Vitals {
  readonly #samples = new Map<string, { pid: number; samples: Sample[] }>();

  look({ gateways, reapers, store }: LabStatus): void {
    for (const { name, pid } of [...gateways, ...reapers, ...store.servers]) {
      const taken = pid === null ? null : sample(pid);
      if (pid === null || taken === null) continue;
      const known = this.#samples.get(name);
      if (known?.pid === pid) known.samples.push(taken);
      else this.#samples.set(name, { pid, samples: [taken] });
    }
  }

  get all(): Vital[] {
    return [...this.#samples].map(([name, { samples }]) => {
      const [first, last] = [samples[0]!, samples.at(-1)!];
      return {
        name,
        minutes: (last.atMs - first.atMs) / 60_000,
        rssMb: moments(samples).map(({ rssBytes }) => rssBytes / 1e6),
        mbPerMinute: (slope(samples.slice(samples.length >> 1)) * 60_000) / 1e6,
        fdsFirst: first.fds,
        fdsLast: last.fds,
      };
    });
  }
}
