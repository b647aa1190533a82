/** Scripts over one connection, or a cluster's; see redis-client.ts. */
import { withoutPassword } from '@flowstore/flow';
import { StoreUnavailable } from '../contract.ts';
import type { ScanPage } from './audit.ts';
import { COMMAND_NAMES, COMMANDS, type CommandName } from './commands.ts';
import { type ClientOptions, mastersOf, newClient, type RedisClient } from './redis-client.ts';
import { loadScript } from './script-loader.ts';
import type { ScriptRunner } from './script-runner.ts';

export interface RedisRunnerOptions extends ClientOptions {
  /** Told each time the connection comes or goes, with the reason for the latter. */
  readonly onState: (state: 'up' | 'down', reason: string) => void;
}

/** Scripts with #!lua flags came with Redis 7.0; Valkey calls itself Redis 7.2 in this field. */
const SERVER_MAJOR_MIN = 7;
/** Replies by which a server says that it can't serve now. Other error replies are our bugs. */
const NOT_NOW =
  /^(LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|OOM|BUSY|MOVED|ASK)\b/;

type ScriptCall = (key: string, ...args: Buffer[]) => Promise<Buffer[]>;

export class RedisRunner implements ScriptRunner {
  readonly #redis: RedisClient;
  #lastError = 'no connection yet';
  #up = false;

  private constructor(redis: RedisClient) {
    this.#redis = redis;
  }

  /** Rejects with StoreUnavailable, telling what to do, where nobody answers. */
  static async connect(options: RedisRunnerOptions): Promise<RedisRunner> {
    const where = withoutPassword(options.url);
    const redis = newClient(options);
    for (const name of COMMAND_NAMES) {
      redis.defineCommand(scriptName(name), {
        numberOfKeys: 1,
        lua: loadScript(name).lua,
        readOnly: COMMANDS[name].readOnly,
      });
    }
    const runner = new RedisRunner(redis);
    runner.#watch(options.onState);
    try {
      await redis.connect();
    } catch (error) {
      redis.disconnect();
      const reason = runner.#up ? messageOf(error) : runner.#lastError;
      throw new StoreUnavailable(
        `no Redis answers at ${where} (${reason}): start one there, or correct the store's URL`,
        { cause: error },
      );
    }
    await refuseOldServer(redis, where);
    return runner;
  }

  async run(command: CommandName, key: string, args: readonly Buffer[]): Promise<Buffer[]> {
    const call = (this.#redis as unknown as Record<string, ScriptCall>)[
      `${scriptName(command)}Buffer`
    ]!;
    try {
      return await call.call(this.#redis, key, ...args);
    } catch (error) {
      throw this.#failure(command, error);
    }
  }

  async scan(server: number, cursor: string, keys: number): Promise<ScanPage> {
    const masters = mastersOf(this.#redis);
    // A cluster that shrank meanwhile: there is nothing more to walk over.
    const master = masters[server];
    if (master === undefined) return { keys: [], cursor: '0', servers: masters.length };
    try {
      const [next, found] = await master.scanBuffer(cursor, 'COUNT', keys);
      return { keys: found, cursor: next.toString(), servers: masters.length };
    } catch (error) {
      throw this.#failure('scan', error);
    }
  }

  /** StoreUnavailable, or the error itself where it is a bug. */
  #failure(what: string, error: unknown): unknown {
    const message = messageOf(error);
    const refused = error instanceof Error && error.name === 'ReplyError';
    if (refused && !NOT_NOW.test(message)) return error;
    const reason = refused ? message : `${message}; last: ${this.#lastError}`;
    return new StoreUnavailable(`${what}: ${reason}`, { cause: error });
  }

  async end(): Promise<void> {
    this.#redis.disconnect();
  }

  #watch(onState: RedisRunnerOptions['onState']): void {
    this.#redis.on('error', (error: Error) => {
      this.#lastError = messageOf(error);
    });
    this.#redis.on('ready', () => {
      this.#up = true;
      onState('up', 'connected');
    });
    this.#redis.on('close', () => {
      if (this.#up) onState('down', this.#lastError);
      this.#up = false;
    });
  }
}

/** A user whose ACL forbids INFO is believed. */
async function refuseOldServer(redis: RedisClient, where: string): Promise<void> {
  const info = await redis.info('server').catch(() => '');
  const version = /^redis_version:((\d+)\.\S*)/m.exec(info);
  if (version === null || Number(version[2]) >= SERVER_MAJOR_MIN) return;
  redis.disconnect();
  throw new StoreUnavailable(
    `the Redis at ${where} is ${version[1]}: flowstore needs Redis 7.0 or Valkey 7.2, or newer`,
  );
}

function scriptName(command: CommandName): string {
  return `flowstore_${command}`;
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
