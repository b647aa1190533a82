/** Scripts over one connection, or a cluster's; see redis-client.ts. */
import type { ScanPage } from './audit.ts';
import { COMMAND_NAMES, COMMANDS, type CommandName } from './commands.ts';
import type { Connection } from './connection.ts';
import { mastersOf } from './redis-client.ts';
import { bridged, type Release } from './release.ts';
import { loadScript } from './script-loader.ts';
import type { ScriptRunner } from './script-runner.ts';

type ScriptCall = (key: string, ...args: Buffer[]) => Promise<Buffer[]>;

export class RedisRunner implements ScriptRunner {
  readonly #connection: Connection;

  constructor(connection: Connection, release: Release) {
    this.#connection = connection;
    for (const name of COMMAND_NAMES) {
      connection.client.defineCommand(scriptName(name), {
        numberOfKeys: 1,
        lua: bridged(loadScript(name).lua, release),
        readOnly: COMMANDS[name].readOnly,
      });
    }
  }

  async run(command: CommandName, key: string, args: readonly Buffer[]): Promise<Buffer[]> {
    const { client } = this.#connection;
    const call = (client as unknown as Record<string, ScriptCall>)[`${scriptName(command)}Buffer`]!;
    try {
      return await call.call(client, key, ...args);
    } catch (error) {
      throw this.#connection.explain(command, error);
    }
  }

  async scan(server: number, cursor: string, keys: number): Promise<ScanPage> {
    const masters = mastersOf(this.#connection.client);
    // A cluster that shrank meanwhile: there is nothing more to walk over.
    const master = masters[server];
    if (master === undefined) return { keys: [], cursor: '0', servers: masters.length };
    try {
      const [next, found] = await master.scanBuffer(cursor, 'COUNT', keys);
      return { keys: found, cursor: next.toString(), servers: masters.length };
    } catch (error) {
      throw this.#connection.explain('scan', error);
    }
  }

  async end(): Promise<void> {
    this.#connection.end();
  }
}

function scriptName(command: CommandName): string {
  return `flowstore_${command}`;
}
