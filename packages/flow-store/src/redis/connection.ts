/** A client that is connected, and what is known of its connection; see redis-client.ts. */
import { withoutPassword } from '@flowstore/flow';
import { StoreUnavailable } from '../contract.ts';
import { type ClientOptions, newClient, type RedisClient } from './redis-client.ts';
import type { Timers } from './timers.ts';
import { untilReady } from './until-ready.ts';

export interface ConnectionOptions extends ClientOptions {
  /** Told each time the connection comes or goes, with the reason for the latter. */
  readonly onState: (state: 'up' | 'down', reason: string) => void;
  readonly timers: Timers;
}

/** How long a client that gave up for good rests before it is told to go on. */
const REST_MS = 500;

/** Scripts with #!lua flags came with Redis 7.0; Valkey calls itself Redis 7.2 in this field. */
const SERVER_MAJOR_MIN = 7;
/** Replies by which a server says that it can't serve now. Other error replies are our bugs. */
const NOT_NOW =
  /^(LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|OOM|BUSY|MOVED|ASK)\b/;

export class Connection {
  readonly client: RedisClient;
  #lastError = 'no connection yet';
  #up = false;
  /** Whether it was connected once, and is to be again. */
  #isWanted = false;

  private constructor(client: RedisClient, { onState, timers }: ConnectionOptions) {
    this.client = client;
    // A failover that is told while a Sentinel is being asked ends an ioredis client for good.
    client.on('end', () => {
      if (this.#isWanted) timers.after(REST_MS, () => this.#goOn());
    });
    client.on('error', (error: Error) => {
      this.#lastError = messageOf(error);
    });
    client.on('ready', () => {
      this.#up = true;
      onState('up', 'connected');
    });
    client.on('close', () => {
      if (this.#up) onState('down', this.#lastError);
      this.#up = false;
    });
  }

  /** Rejects with StoreUnavailable, telling what to do, where nobody answers. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const where = withoutPassword(options.url);
    const connection = new Connection(newClient(options), options);
    const { client } = connection;
    try {
      await untilReady(client, options.connectTimeoutMs, options.timers);
    } catch (error) {
      client.disconnect();
      const reason = connection.#up ? messageOf(error) : connection.#lastError;
      throw new StoreUnavailable(
        `no Redis answers at ${where} (${reason}): start one there, or correct the store's URL`,
        { cause: error },
      );
    }
    await refuseOldServer(client, where);
    connection.#isWanted = true;
    return connection;
  }

  /** A StoreUnavailable where there was no answer; what is a bug of ours comes back as it is. */
  explain(what: string, error: unknown): unknown {
    const message = messageOf(error);
    const refused = error instanceof Error && error.name === 'ReplyError';
    if (refused && !NOT_NOW.test(message)) return error;
    const reason = refused ? message : `${message}; last: ${this.#lastError}`;
    return new StoreUnavailable(`${what}: ${reason}`, { cause: error });
  }

  end(): void {
    this.#isWanted = false;
    this.client.disconnect();
  }

  #goOn(): void {
    // Where it fails, the client ends once more.
    if (this.#isWanted && this.client.status === 'end') this.client.connect().catch(() => {});
  }
}

/** A user whose ACL forbids INFO is believed. */
async function refuseOldServer(client: RedisClient, where: string): Promise<void> {
  const info = await client.info('server').catch(() => '');
  const version = /^redis_version:((\d+)\.\S*)/m.exec(info);
  if (version === null || Number(version[2]) >= SERVER_MAJOR_MIN) return;
  client.disconnect();
  throw new StoreUnavailable(
    `the Redis at ${where} is ${version[1]}: flowstore needs Redis 7.0 or Valkey 7.2, or newer`,
  );
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
