/**
 * Who reads the feed of another server than before finds a gap, whatever that server has: one that
 * was restarted, empty or with all it had, a stranger behind the same address, a replica that took
 * over. (A trimmed feed is the conformance suite's, a replaced master replication.redis.test.ts's.)
 */
import { once } from 'node:events';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UDP } from '@flowstore/flow';
import { Redis } from 'ioredis';
import { afterEach, expect, test, vi } from 'vitest';
import { CONFORMANCE_CONFIG as config, type Harness } from '../conformance/harness.ts';
import { GATEWAY_1, Scenario, SHARD, udp } from '../conformance/scenario.ts';
import type { FeedResult, FeedTail } from '../contract.ts';
import { type ServerProcess, startServer } from '../testing/server-process.ts';
import { connectRedisStore } from './connect.ts';

const PATIENCE = { timeout: 20_000, interval: 50 };
let ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
});

/** An address behind which the server changes, as a virtual one does. */
class Address {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port: number;

  static async of({ port }: ServerProcess): Promise<Address> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Address(server, port);
  }

  constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
    server.on('connection', (client) => this.#join(client, connect(this.#port, '127.0.0.1')));
    ends.push(() => {
      server.close();
      this.#hangUp();
    });
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  leadTo({ port }: ServerProcess): void {
    this.#port = port;
    this.#hangUp();
  }

  #hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #join(client: Socket, server: Socket): void {
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
    }
    client.pipe(server).pipe(client);
  }
}

async function start(more: readonly string[] = []): Promise<ServerProcess> {
  const server = await startServer(more);
  ends.push(() => server.stop());
  return server;
}

function adminOf({ port }: ServerProcess): Redis {
  const admin = new Redis({ host: '127.0.0.1', port, protocol: 2 });
  admin.on('error', () => {});
  ends.push(() => admin.disconnect());
  return admin;
}

async function deploymentAt(url: string): Promise<Scenario> {
  const store = await connectRedisStore({ url, config });
  ends.push(() => store.end());
  await store.initialise('new');
  return new Scenario({ store } as unknown as Harness);
}

/** A gateway that reads on. */
class Reader {
  readonly #scenario: Scenario;
  last: FeedTail | null = null;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
  }

  async read(): Promise<FeedResult> {
    const request = { shard: SHARD, incarnation: GATEWAY_1, last: this.last, nonce: 1 };
    const [result] = await this.#scenario.store.feed([request]);
    this.last = result!.tail;
    return result!;
  }
}

/** Another server with all that the first one has, which from now on hears no more of it. */
async function replicaOf(first: ServerProcess): Promise<ServerProcess> {
  const replica = await start(['--replicaof', `127.0.0.1 ${first.port}`]);
  const [master, copy] = [adminOf(first), adminOf(replica)];
  await vi.waitUntil(
    async () => (await copy.info('replication')).includes('link_status:up'),
    PATIENCE,
  );
  await vi.waitUntil(async () => (await master.wait(1, 1_000)) === 1, PATIENCE);
  await copy.call('REPLICAOF', 'NO', 'ONE');
  return replica;
}

/** Whoever opens a flow has leased a block before. */
const LEASED = { kind: 'lease', holder: GATEWAY_1 };

type Succession = (
  first: ServerProcess,
  reader: Reader,
  scenario: Scenario,
) => Promise<ServerProcess>;

const SUCCESSIONS: Record<string, Succession> = {
  'was restarted and lost everything': async (first) => {
    await first.stop();
    return start();
  },

  'was restarted with all that it had': async (first) => {
    const admin = adminOf(first);
    await admin.save();
    const [, from] = (await admin.config('GET', 'dir')) as [string, string];
    const directory = await mkdtemp(join(tmpdir(), 'flowstore-saved-'));
    ends.push(() => rm(directory, { recursive: true, force: true }));
    await copyFile(join(from, 'dump.rdb'), join(directory, 'dump.rdb'));
    await first.stop();
    return start(['--dir', directory]);
  },

  'is another one that has a feed of its own': async () => {
    const stranger = await start();
    const scenario = await deploymentAt(`redis://127.0.0.1:${stranger.port}`);
    await scenario.bound(udp(7));
    return stranger;
  },

  'was replaced by a replica that missed what was heard last': async (first, reader, scenario) => {
    const replica = await replicaOf(first);
    await scenario.bound(udp(1));
    expect(await reader.read()).toMatchObject({
      kind: 'events',
      events: [LEASED, { kind: 'void' }],
    });
    return replica;
  },

  'was replaced by a replica that has all': replicaOf,
};

test.each(Object.entries(SUCCESSIONS))(
  'the reader finds one gap where the server %s',
  async (_, succeed) => {
    const first = await start();
    const address = await Address.of(first);
    const scenario = await deploymentAt(address.url);
    const reader = new Reader(scenario);
    await reader.read();
    const { outside } = await scenario.bound(udp());
    const opened = { kind: 'void', protocol: UDP, outside };
    const events = [LEASED, opened];
    expect(await reader.read()).toMatchObject({ kind: 'events', events, inGrace: false });

    const next = await succeed(first, reader, scenario);
    const heard = reader.last;
    address.leadTo(next);
    // What was heard is named until there is an answer.
    const result = await vi.waitUntil(() => reader.read().catch(() => null), PATIENCE);
    expect(heard).not.toBeNull();
    expect(result).toMatchObject({ kind: 'gap' });
    expect(await reader.read()).toMatchObject({ kind: 'events', events: [] });
  },
);
