/** Scripts over one connection, or a cluster's; see redis-client.ts. */
import { createHash } from 'node:crypto';
import type { ScanPage } from './audit.ts';
import { packBatch, unpackBatch } from './batch.ts';
import { COMMAND_NAMES, COMMANDS, type CommandName } from './commands.ts';
import type { Connection } from './connection.ts';
import { mastersOf } from './redis-client.ts';
import { bridged, type Release } from './release.ts';
import { loadScript } from './script-loader.ts';
import type { ScriptRunner } from './script-runner.ts';

/** Of the scripts that are timed. */
const SHAS = new Map(
  COMMAND_NAMES.filter((name) => COMMANDS[name].timed).map((name) => {
    return [name, createHash('sha1').update(loadScript(name).lua).digest('hex')];
  }),
);

type ScriptCall = (key: string, policy: Buffer, batch: Buffer) => Promise<Buffer>;

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
    if (!COMMANDS[command].timed) return this.#run(command, key, args);
    return (await this.#runTimed(command, key, args)) ?? this.#run(command, key, args);
  }

  /**
   * Between two questions for the server's time: it works on what came in one piece without a
   * break, so the difference is how long the script held it. null where it gave no answer: then it
   * is sent as any other, whose script is sent along and whose server is looked for.
   */
  async #runTimed(command: CommandName, key: string, args: readonly Buffer[]) {
    const { client } = this.#connection;
    const pipeline = client.pipeline().time();
    const [policy, ...requests] = args;
    pipeline.callBuffer('evalsha', SHAS.get(command)!, 1, key, policy!, packBatch(requests));
    const answers = await pipeline
      .time()
      .exec()
      .catch(() => null);
    if (answers === null || answers.some(([error]) => error !== null)) return null;
    const [before, replies, after] = answers.map(([, reply]) => reply);
    const heldUs = instantUs(after as Instant) - instantUs(before as Instant);
    const held = Buffer.alloc(4);
    held.writeUInt32BE(Math.min(Math.max(0, heldUs), 0xffff_ffff));
    return [...unpackBatch(replies as Buffer), held];
  }

  async #run(command: CommandName, key: string, args: readonly Buffer[]): Promise<Buffer[]> {
    const { client } = this.#connection;
    const [policy, ...requests] = args;
    const call = (client as unknown as Record<string, ScriptCall>)[`${scriptName(command)}Buffer`]!;
    try {
      return unpackBatch(await call.call(client, key, policy!, packBatch(requests)));
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

/** What TIME answers: seconds and us. */
type Instant = readonly [number | string, number | string];

function instantUs([seconds, us]: Instant): number {
  return Number(seconds) * 1e6 + Number(us);
}

function scriptName(command: CommandName): string {
  return `flowstore_${command}`;
}
