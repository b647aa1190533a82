/** What one would write first: SCAN, GET to see whether it is over, DEL. One after the other. */
import type { Redis } from 'ioredis';
import { inBatches } from '../store/operations.ts';

/** Enough for a pace; a million would take minutes. */
const KEYS = 10_000;
const BATCH = 64;
const PREFIX = 'naive:';
const VALUE = JSON.stringify({ inside: '10.0.0.1:1024', outside: '203.0.113.1:1024', untilMs: 1 });

/** Keys per second, on a server that holds nothing else: the loop's best case. */
export async function measureNaive(redis: Redis): Promise<number> {
  await redis.flushall();
  const keys = Array.from({ length: KEYS }, (_, i) => `${PREFIX}${i}`);
  await inBatches(keys, BATCH, async (batch) => {
    const pipeline = redis.pipeline();
    for (const key of batch) pipeline.set(key, VALUE);
    await pipeline.exec();
  });
  const startMs = performance.now();
  let deleted = 0;
  for (let cursor: string | null = '0'; cursor !== null; ) {
    const [next, found]: [string, string[]] = await redis.scan(cursor, 'MATCH', `${PREFIX}*`);
    for (const key of found) {
      const text = await redis.get(key);
      if (text === null || JSON.parse(text).untilMs > Date.now()) continue;
      deleted += await redis.del(key);
    }
    cursor = next === '0' ? null : next;
  }
  if (deleted !== KEYS) throw new Error(`the naive loop deleted ${deleted} of ${KEYS}`);
  return (deleted / (performance.now() - startMs)) * 1_000;
}
