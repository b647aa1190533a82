/** What the same server takes for the least that one could do: SET and GET, pipelined. */
import type { Redis } from 'ioredis';
import { inBatches } from './operations.ts';
import type { Cost, StoreServer } from './store-server.ts';

export interface Floor {
  /** Two SETs of 64 bytes with PX: a flow's two directions. */
  readonly setPair: Cost;
  readonly get: Cost;
}

const KEYS = 2_048;
const BATCH = 64;
const VALUE = Buffer.alloc(64, 'v');
const TTL_MS = 600_000;

/** Among the keys of the store, and gone afterwards. */
export async function measureFloor(server: StoreServer): Promise<Floor> {
  const keys = Array.from({ length: KEYS }, (_, i) => `floor:${String(i).padStart(12, '0')}`);
  const pipelined = (queue: (pipeline: ReturnType<Redis['pipeline']>, key: string) => void) =>
    inBatches(keys, BATCH, async (batch) => {
      const pipeline = server.redis.pipeline();
      for (const key of batch) queue(pipeline, key);
      await pipeline.exec();
    });
  const setPair = await server.cost(KEYS / 2, () =>
    pipelined((pipeline, key) => pipeline.set(key, VALUE, 'PX', TTL_MS)),
  );
  const get = await server.cost(KEYS, () => pipelined((pipeline, key) => pipeline.get(key)));
  await pipelined((pipeline, key) => pipeline.del(key));
  return { setPair, get };
}
