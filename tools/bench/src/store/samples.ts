/** What was measured of each operation, round by round. */
import { median, round } from '../figures.ts';
import type { Cost } from './store-server.ts';

export const OPERATIONS = ['open', 'findInside', 'findOutside', 'touch', 'close', 'sweep'] as const;
export const BATCH_SIZES = [1, 16, 64] as const;

export type ProtocolName = 'udp' | 'tcp';
export type Operation = (typeof OPERATIONS)[number];
export type BatchSize = (typeof BATCH_SIZES)[number];

/** The median of the rounds, and what nine of ten lay between. */
export interface Figure {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
}

export function figureOf(values: readonly number[]): Figure {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.round((sorted.length - 1) * share)]!);
  return { median: round(median(values)), low: at(0.05), high: at(0.95), rounds: values.length };
}

export class Samples {
  readonly #costs = new Map<string, Cost[]>();

  add(protocol: ProtocolName, operation: Operation, batch: BatchSize, cost: Cost): void {
    const key = keyOf(protocol, operation, batch);
    this.#costs.set(key, [...(this.#costs.get(key) ?? []), cost]);
  }

  serverUs(protocol: ProtocolName, operation: Operation, batch: BatchSize): Figure {
    return figureOf(this.#of(protocol, operation, batch).map(({ serverUs }) => serverUs));
  }

  clientUs(protocol: ProtocolName, operation: Operation, batch: BatchSize): Figure {
    return figureOf(this.#of(protocol, operation, batch).map(({ clientUs }) => clientUs));
  }

  #of(protocol: ProtocolName, operation: Operation, batch: BatchSize): readonly Cost[] {
    return this.#costs.get(keyOf(protocol, operation, batch)) ?? [];
  }
}

function keyOf(protocol: ProtocolName, operation: Operation, batch: BatchSize): string {
  return `${protocol} ${operation} ${batch}`;
}
