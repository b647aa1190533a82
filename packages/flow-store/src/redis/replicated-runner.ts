/**
 * Scripts that count only once enough replicas have what they wrote: grants, renewals and
 * heartbeats, by which a gateway goes on using what it holds. A master that was replaced and does
 * not know it has lost its replicas, so whoever still talks to it hears nothing that counts.
 *
 * ```
 *   run --+                                      +--> answers, if WAIT says `replicas` or more
 *   run --+--> gather, per server --> scripts, WAIT --> next round, with what gathered meanwhile
 * ```
 *
 * WAIT blocks its connection, so these scripts have one of their own; and it is for the writes of
 * its connection, so it goes right behind them. One round at a time to a server: were replicas
 * away, WAITs that run into their timeout would pile up in front of each other.
 */
import { createHash } from 'node:crypto';
import { Cluster } from 'ioredis';
import { packBatch, unpackBatch } from './batch.ts';
import { COMMAND_NAMES, type CommandName } from './commands.ts';
import type { Connection } from './connection.ts';
import { slotOfTag } from './keys.ts';
import { bridged, type Release } from './release.ts';
import { loadScript } from './script-loader.ts';
import { type ScriptRunner, Unreplicated } from './script-runner.ts';
import type { Timers } from './timers.ts';

export interface ReplicatedRunnerOptions {
  readonly connection: Connection;
  readonly timers: Timers;
  /** Replicas that must have a write. */
  readonly replicas: number;
  /** How long they are waited for. */
  readonly waitMs: number;
  /** A round that is silent for so long is given up. */
  readonly roundTimeoutMs: number;
  readonly release: Release;
}

interface Job {
  readonly command: CommandName;
  readonly key: string;
  readonly args: readonly Buffer[];
  readonly answer: (replies: Buffer[]) => void;
  readonly fail: (error: unknown) => void;
}

type Outcome = readonly [error: Error | null, reply: unknown];

export class ReplicatedRunner implements Pick<ScriptRunner, 'run' | 'end'> {
  readonly #options: ReplicatedRunnerOptions;
  readonly #scripts: ReadonlyMap<CommandName, { readonly lua: string; readonly sha: string }>;
  /** By server; one is in here while it has a round under way. */
  readonly #gathered = new Map<string, Job[]>();
  /** Scripts that a server knows: the others are sent whole. */
  readonly #known = new Set<CommandName>();

  constructor(options: ReplicatedRunnerOptions) {
    this.#options = options;
    this.#scripts = new Map(
      COMMAND_NAMES.map((name) => {
        const lua = bridged(loadScript(name).lua, options.release);
        return [name, { lua, sha: createHash('sha1').update(lua).digest('hex') }];
      }),
    );
  }

  run(command: CommandName, key: string, args: readonly Buffer[]): Promise<Buffer[]> {
    return new Promise((answer, fail) => {
      const job = { command, key, args, answer, fail };
      const server = this.#serverOf(key);
      const gathered = this.#gathered.get(server);
      if (gathered !== undefined) {
        gathered.push(job);
        return;
      }
      this.#gathered.set(server, [job]);
      // After all calls of this batch.
      queueMicrotask(() => void this.#goRound(server));
    });
  }

  async end(): Promise<void> {
    this.#options.connection.end();
  }

  /** One text per server, whichever it is by now. */
  #serverOf(key: string): string {
    const { client } = this.#options.connection;
    if (!(client instanceof Cluster)) return '';
    const tag = /\{(.*)\}/.exec(key)![1]!;
    return client.slots[slotOfTag(tag)]?.join() ?? '';
  }

  async #goRound(server: string): Promise<void> {
    const jobs = this.#gathered.get(server)!;
    if (jobs.length === 0) {
      this.#gathered.delete(server);
      return;
    }
    this.#gathered.set(server, []);
    const forgotten = await this.#send(jobs);
    if (forgotten.length > 0) await this.#send(forgotten);
    await this.#goRound(server);
  }

  /** Answers all jobs but those whose script the server does not know: they come back. */
  async #send(jobs: readonly Job[]): Promise<Job[]> {
    const { connection, replicas, waitMs } = this.#options;
    const { client } = connection;
    const pipeline = client.pipeline();
    for (const { command, key, args } of jobs) {
      const { sha, lua } = this.#scripts.get(command)!;
      const [policy, ...requests] = args;
      const sent = [1, key, policy!, packBatch(requests)] as const;
      if (this.#known.has(command)) pipeline.callBuffer('evalsha', sha, ...sent);
      else pipeline.callBuffer('eval', lua, ...sent);
    }
    pipeline.wait(replicas, waitMs);
    const outcomes = await this.#inTime(pipeline.exec() as Promise<Outcome[]>);
    const forgotten: Job[] = [];
    let failed = false;
    for (const [i, job] of jobs.entries()) {
      const [error] = outcomes[i] ?? [NO_ANSWER];
      failed ||= error !== null;
      if (error?.message.startsWith('NOSCRIPT')) {
        this.#known.delete(job.command);
        forgotten.push(job);
      } else {
        if (error === null) this.#known.add(job.command);
        this.#settle(job, outcomes[i], outcomes[jobs.length]);
      }
    }
    // A pipeline that was sent to the wrong server is not sent on, nor does the client learn of it.
    if (failed && client instanceof Cluster) client.refreshSlotsCache();
    return forgotten;
  }

  #settle(job: Job, ran: Outcome = [NO_ANSWER, 0], waited: Outcome = [NO_ANSWER, 0]): void {
    const { connection, replicas, waitMs } = this.#options;
    const { command } = job;
    const error = ran[0] ?? waited[0];
    const have = waited[1] as number;
    if (error !== null) job.fail(connection.explain(command, error));
    else if (have >= replicas) job.answer(unpackBatch(ran[1] as Buffer));
    else {
      const few = `${have} of ${replicas} replicas have it after ${waitMs} ms`;
      job.fail(new Unreplicated(`${command}: ${few} (cluster.minReplicas)`));
    }
  }

  /** No outcomes where it takes too long, or could not be sent. */
  #inTime(sent: Promise<Outcome[]>): Promise<Outcome[]> {
    const { timers, roundTimeoutMs } = this.#options;
    return new Promise((resolve) => {
      const cancel = timers.after(roundTimeoutMs, () => resolve([]));
      const settle = (outcomes: Outcome[]) => {
        cancel();
        resolve(outcomes);
      };
      sent.then(settle, () => settle([]));
    });
  }
}

const NO_ANSWER = new Error('no answer');
