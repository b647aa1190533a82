/** How long one find takes while another process asks for tens of thousands per second. */
import { fileURLToPath } from 'node:url';
import { runProcess } from '../process.ts';
import type { BenchFlow } from './endpoints.ts';
import { findInside } from './operations.ts';
import type { StoreServer } from './store-server.ts';

export interface Latency {
  readonly p50Us: number;
  readonly p99Us: number;
  /** What the other process got answered. */
  readonly backgroundPerS: number;
}

export const BACKGROUND_PER_S = 50_000;
/** Until the other process runs at its pace, compiled. */
const WARM_UP_SHARE = 0.3;
const LIMIT_MS = 60_000;
const BETWEEN_MS = 1;

/** The first flows of the filled shards must be in the store, those of odd ones at least. */
export async function measureLatency(
  { url, store }: StoreServer,
  flows: readonly BenchFlow[],
  filled: { readonly shards: number; readonly perShard: number },
  durationMs: number,
): Promise<Latency> {
  const program = fileURLToPath(new URL('./background.ts', import.meta.url));
  const args = [program, url, filled.shards, filled.perShard, BACKGROUND_PER_S, durationMs].map(
    String,
  );
  let isOver = false;
  const background = runProcess({ program: process.execPath, args }, LIMIT_MS).finally(() => {
    isOver = true;
  });
  // Told by the await below: until then nobody listens.
  background.catch(() => {});
  const takenUs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + durationMs;
  for (let i = 0; !isOver && performance.now() < endMs; i++) {
    const askedMs = performance.now();
    await findInside(store, [flows[i % flows.length]!]);
    const answeredMs = performance.now();
    if (answeredMs > startMs + WARM_UP_SHARE * durationMs)
      takenUs.push((answeredMs - askedMs) * 1_000);
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
  }
  const { perSecond } = JSON.parse(await background) as { perSecond: number };
  takenUs.sort((a, b) => a - b);
  const at = (share: number) => takenUs[Math.floor(takenUs.length * share)] ?? Number.NaN;
  return { p50Us: at(0.5), p99Us: at(0.99), backgroundPerS: perSecond };
}
