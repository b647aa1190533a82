/** What is done to the store's servers beyond starting and stopping them, and what is in them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LabStatus, ServerStatus } from '@flowstore/lab';
import { Redis } from 'ioredis';

export type StoreServer = Pick<ServerStatus, 'name' | 'port'>;

/** Keys that belong to flows; s: is the shards' memory, f: their feeds. */
const OF_FLOWS = { e: '{??}*', p: 'p:{*', n: 'n:{*', i: 'i:{*' } as const;
export type LeftInStore = Record<keyof typeof OF_FLOWS, number>;

const SCAN_COUNT = 1_000;
const ANSWER_MS_MAX = 3_000;

export class StoreAdmin {
  readonly #host: string;
  readonly #status: () => Promise<LabStatus>;

  constructor(status: LabStatus, fresh: () => Promise<LabStatus>) {
    this.#host = /(\d+\.\d+\.\d+\.\d+):/.exec(status.store.url ?? '')?.[1] ?? '127.0.0.1';
    this.#status = fresh;
  }

  /** Runs `work` with a connection to one server; what it leaves open is closed. */
  async with<T>({ port }: StoreServer, work: (client: Redis) => Promise<T>): Promise<T> {
    const client = this.connect(port);
    try {
      return await work(client);
    } finally {
      client.disconnect();
    }
  }

  connect(port: number): Redis {
    const client = new Redis({
      host: this.#host,
      port,
      protocol: 2,
      maxRetriesPerRequest: 1,
      retryStrategy: () => null,
      commandTimeout: ANSWER_MS_MAX,
    });
    client.on('error', () => {});
    return client;
  }

  /** Servers that answer and say that they are masters. */
  async masters(): Promise<ServerStatus[]> {
    const { store } = await this.#status();
    const up = store.servers.filter(({ state }) => state === 'up');
    const roles = await Promise.all(up.map((server) => this.#isMaster(server)));
    return up.filter((_, at) => roles[at]);
  }

  async #isMaster(server: StoreServer): Promise<boolean> {
    return this.with(server, async (client) => {
      const [role, , replicas] = (await client.call('ROLE')) as [string, unknown, unknown];
      // A cluster's node that has no slots is nobody's master.
      return role === 'master' && Array.isArray(replicas);
    }).catch(() => false);
  }

  /** Its replicas, as it sees them. */
  async replicasOf(master: StoreServer): Promise<ServerStatus[]> {
    const ports = await this.with(master, async (client) => {
      const [, , replicas] = (await client.call('ROLE')) as [string, number, string[][]];
      return replicas.map(([, port]) => Number(port));
    });
    const { store } = await this.#status();
    return store.servers.filter(({ port }) => ports.includes(port));
  }

  /** Waits until somebody else than `former` answers as a master in its place. */
  async untilPromoted(candidates: readonly StoreServer[], msMax: number): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < msMax; waitedMs += 200) {
      const roles = await Promise.all(candidates.map((server) => this.#isMaster(server)));
      if (roles.some(Boolean)) return true;
      await sleep(200);
    }
    return false;
  }

  /** Keys of flows in all masters, by kind: entries, blocks, subscribers' counts, indexes. */
  async left(): Promise<LeftInStore> {
    const left: LeftInStore = { e: 0, p: 0, n: 0, i: 0 };
    for (const master of await this.masters()) {
      await this.with(master, async (client) => {
        for (const kind of Object.keys(OF_FLOWS) as (keyof LeftInStore)[]) {
          const options = { match: OF_FLOWS[kind], count: SCAN_COUNT };
          for await (const keys of client.scanStream(options)) {
            left[kind] += (keys as string[]).length;
          }
        }
      });
    }
    return left;
  }
}
