/**
 * What the same server takes for the least that one could do: SET and GET, pipelined, of random
 * keys among as many as there are flows, so that both sides miss the same caches. The keys are in a
 * database of their own: they count for no flow's memory.
 */
import type { Redis } from 'ioredis';
import { randomBelow } from '../workload.ts';
import { inBatches } from './operations.ts';
import type { Cost, StoreServer } from './store-server.ts';

export interface Floor {
  /** Two SETs of 64 bytes with PX: a flow's two directions. */
  readonly setPair: Cost;
  readonly get: Cost;
}

const randomKey = randomBelow(3);
const KEYS_PER_ROUND = 2_048;
const BATCH = 64;
const VALUE = Buffer.alloc(64, 'v');
const TTL_MS = 3_600_000;

type Queue = (pipeline: ReturnType<Redis['pipeline']>, key: string) => void;
const setOne: Queue = (pipeline, key) => pipeline.set(key, VALUE, 'PX', TTL_MS);
const getOne: Queue = (pipeline, key) => pipeline.get(key);

/** As long as an entry's key. */
const keyOf = (number: number) => `floor:${String(number).padStart(8, '0')}`;

async function pipelined({ floor }: StoreServer, keys: readonly string[], queue: Queue) {
  await inBatches(keys, BATCH, async (batch) => {
    const pipeline = floor.pipeline();
    for (const key of batch) queue(pipeline, key);
    await pipeline.exec();
  });
}

export async function fillFloor(server: StoreServer, keys: number): Promise<void> {
  await pipelined(
    server,
    Array.from({ length: keys }, (_, number) => keyOf(number)),
    setOne,
  );
}

export async function measureFloor(server: StoreServer, keys: number): Promise<Floor> {
  const some = () => Array.from({ length: KEYS_PER_ROUND }, () => keyOf(randomKey(keys)));
  const [written, read] = [some(), some()];
  const pairs = KEYS_PER_ROUND / 2;
  const setPair = await server.cost(pairs, () => pipelined(server, written, setOne));
  const get = await server.cost(KEYS_PER_ROUND, () => pipelined(server, read, getOne));
  return { setPair, get };
}
