/**
 * The process that asks while another one measures: finds at a pace, for so long.
 * background.ts <url> <filled shards> <flows per shard> <finds per second> <ms>; tells how many
 * were answered per second.
 */
import { UDP } from '@flowstore/flow';
import { connectRedisStore } from '@flowstore/flow-store';
import { flowsOfShard, numbersByShard } from './endpoints.ts';
import { findInside } from './operations.ts';
import { CONFIG } from './store-server.ts';

const BATCH = 64;
/** Beyond, the pace is more than the server can keep, and is not kept. */
const BATCHES_UNDER_WAY_MAX = 32;
const TICK_MS = 1;

const [url, shards, perShard, perSecond, durationMs] = process.argv.slice(2);
const store = await connectRedisStore({ url: url!, config: CONFIG, callTimeoutMs: 30_000 });
// Of odd shards: nothing was closed there.
const batches = numbersByShard(UDP, Math.min(Number(perShard), BATCH))
  .map((numbers, shard) => flowsOfShard(shard, UDP, numbers))
  .filter((_, shard) => shard % 2 === 1 && shard < Number(shards));
let asked = 0;
let answered = 0;
let underWay = 0;
const startMs = performance.now();

const pace = setInterval(() => {
  const elapsedMs = performance.now() - startMs;
  if (elapsedMs > Number(durationMs)) {
    if (underWay === 0) finish(elapsedMs);
    return;
  }
  const due = (elapsedMs / 1_000) * Number(perSecond);
  while (asked < due && underWay < BATCHES_UNDER_WAY_MAX) {
    const batch = batches[Math.floor(asked / BATCH) % batches.length]!;
    asked += batch.length;
    underWay += 1;
    findInside(store, batch).then(() => {
      answered += batch.length;
      underWay -= 1;
    });
  }
}, TICK_MS);

function finish(elapsedMs: number): void {
  clearInterval(pace);
  process.stdout.write(`${JSON.stringify({ perSecond: (answered / elapsedMs) * 1_000 })}\n`);
  store.end();
}
