/** What is measured, how runs are put together, and what they are held against. */

export interface Figures {
  readonly flows: number;
  readonly insertCpuNs: number;
  readonly lookupTouchNs: number;
  readonly lookupTouchAloneNs: number;
  readonly lookupTouchHotNs: number;
  readonly lookupMissNs: number;
  readonly bytesPerFlow: number;
  readonly expireCpuNs: number;
  readonly maxStallMs: number;
}

export type Measure = Exclude<keyof Figures, 'flows'>;

export const MEASURES: readonly { readonly name: Measure; readonly title: string }[] = [
  { name: 'insertCpuNs', title: 'insert with timer, CPU ns' },
  { name: 'lookupTouchNs', title: 'lookup + touch, random, ns' },
  { name: 'lookupTouchAloneNs', title: 'the same, unannounced, ns' },
  { name: 'lookupTouchHotNs', title: 'lookup + touch, hot, ns' },
  { name: 'lookupMissNs', title: 'miss, ns' },
  { name: 'bytesPerFlow', title: 'bytes per flow (RSS)' },
  { name: 'expireCpuNs', title: 'expiry, CPU ns' },
  { name: 'maxStallMs', title: 'longest tick, CPU ms' },
];

/** What several runs gave for one contestant at one size. */
export interface Summary {
  readonly median: Figures;
  readonly lowest: Figures;
  readonly highest: Figures;
}

/** The middle one, or the mean of the middle two. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('nothing has no median');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Measure by measure: the median of one is not of the same run as that of another. */
export function summarise(runs: readonly Figures[]): Summary {
  const of = (pick: (values: number[]) => number): Figures => {
    const value = (name: Measure) => round(pick(runs.map((run) => run[name])));
    return {
      flows: runs[0]!.flows,
      insertCpuNs: value('insertCpuNs'),
      lookupTouchNs: value('lookupTouchNs'),
      lookupTouchAloneNs: value('lookupTouchAloneNs'),
      lookupTouchHotNs: value('lookupTouchHotNs'),
      lookupMissNs: value('lookupMissNs'),
      bytesPerFlow: value('bytesPerFlow'),
      expireCpuNs: value('expireCpuNs'),
      maxStallMs: value('maxStallMs'),
    };
  };
  return {
    median: of(median),
    lowest: of((values) => Math.min(...values)),
    highest: of((values) => Math.max(...values)),
  };
}

/** To three decimals: what is below is noise. */
export function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
