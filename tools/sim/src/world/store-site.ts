/**
 * The store's side of the world: servers with clocks of their own over the model's data, one of
 * them the master. Requests run one at a time, so that the witnesses see what each of them did.
 */
import type { ClusterConfig, Endpoint } from '@flowstore/flow';
import { ModelData, ModelServer } from '@flowstore/flow-store/testing';
import type { Operation, StoreCall, StoreReply } from '@flowstore/gateway-core';
import type { Random } from '../random.ts';
import type { Timeline } from '../timeline.ts';
import { applyPolicy, type Policy } from './policy.ts';
import type { Witness } from './witness.ts';

/** Wall clocks of the servers: nobody else's. */
const EPOCH_MS = 1.7e12;

export interface Server {
  readonly name: string;
  /** Scripts of the data plane. */
  readonly model: ModelServer;
  /** Those of the directory, which know the configuration as it is whatever else is broken. */
  readonly directory: ModelServer;
  /** What both go by now: that of the call that runs. */
  policy: Policy | null;
  readonly clock: ServerClock;
  alive: boolean;
  /** The replica that takes over hears nothing more of it, for ever. */
  isCut: boolean;
  /** What keeps the replica from having what is written. */
  lags: number;
}

export class ServerClock {
  readonly #timeline: Timeline;
  readonly #rate: number;
  offsetMs: number;

  constructor(timeline: Timeline, offsetMs: number, rate: number) {
    this.#timeline = timeline;
    this.offsetMs = offsetMs;
    this.#rate = rate;
  }

  nowMs(): number {
    return EPOCH_MS + Math.floor(this.#timeline.nowMs * this.#rate + this.offsetMs);
  }
}

/** How a mutant runs a request: the right way is `run(request)`. */
export type Execute = (
  server: Server,
  operation: string,
  request: unknown,
  run: (request: unknown) => unknown,
) => unknown;

interface FailOver {
  readonly oldLives: boolean;
  /** What was written later is lost; nothing where it is left out. */
  readonly lostSinceMs?: number;
}

export interface StoreSiteOptions {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly config: ClusterConfig;
  /** What scripts make of a caller's configuration: a mutant's may make something else. */
  readonly serverConfig: (config: ClusterConfig) => ClusterConfig;
  readonly witness: Witness;
  readonly execute: Execute;
}

export class StoreSite {
  master: Server;
  readonly #options: StoreSiteOptions;
  #servers = 0;

  constructor(options: StoreSiteOptions) {
    this.#options = options;
    this.master = this.#newServer(new ModelData());
    this.master.directory.initialise();
  }

  /** A call runs now that carries this. */
  goBy(server: Server, policy: Policy): void {
    if (server.policy === policy) return;
    server.policy = policy;
    const { serverConfig } = this.#options;
    const { holds, next } = policy;
    applyPolicy(server.directory, policy);
    applyPolicy(server.model, {
      holds: serverConfig(holds),
      next: next === null ? null : serverConfig(next),
    });
  }

  /** Another server takes over, with this data. */
  failOver(data: ModelData, { oldLives, lostSinceMs }: FailOver): void {
    const { witness, timeline } = this.#options;
    this.master.alive = oldLives;
    this.master = this.#newServer(data);
    witness.dataLost(data, lostSinceMs ?? timeline.nowMs);
    witness.promises.look(data.directory.configText);
  }

  /** What a replica has that hears nothing more of the master from now on. */
  cutReplica(): ModelData {
    this.master.isCut = true;
    return this.master.model.data.clone();
  }

  /** Moves the master's clock to another offset within the skew that servers may have. */
  jumpClock(): void {
    this.master.clock.offsetMs = this.#drawOffsetMs();
  }

  /** Whether a shard waits for what gateways hold, and knows no `no` meanwhile. */
  inGrace(shard: number): boolean {
    const { clock, model } = this.master;
    return model.data.shards[shard]!.grace.isOn(model.config, clock.nowMs());
  }

  /** Whoever asks the directory may be the one by whom another configuration begins to hold. */
  askDirectory<T>(server: Server, ask: (directory: ModelServer) => T): T {
    const result = ask(server.directory);
    const { configText } = server.directory.data.directory;
    if (server === this.master) this.#options.witness.promises.look(configText);
    return result;
  }

  /** Runs a gateway's call, request by request; reading feeds changes nothing worth a look each. */
  perform(server: Server, { operation, requests }: StoreCall): StoreReply['results'] {
    if (operation === 'feed') {
      const read = (batch: unknown) => server.model.feed(batch as never);
      return this.#options.execute(server, operation, requests, read) as never;
    }
    return requests.map((request) => this.performOne(server, operation, request)) as never;
  }

  performOne(server: Server, operation: Operation, request: unknown): unknown {
    const { execute, witness, timeline } = this.#options;
    const scripts = server.model as unknown as Record<string, (requests: unknown[]) => unknown[]>;
    const run = (mutated: unknown) => scripts[operation]!([mutated])[0];
    const isMaster = server === this.master;
    if (!isMaster || !('inside' in (request as object)) || operation === 'find') {
      return execute(server, operation, request, run);
    }
    const named = request as { inside: Endpoint; remote: null; reason?: string };
    const { data } = server.model;
    const result = witness.identities.around(operation, named, data, () =>
      execute(server, operation, request, run),
    );
    // A touch changes no identity: the checker around it has seen to that.
    if (operation === 'touch') return result;
    const cause = { operation, cancelled: named.reason === 'cancel' && witness.isOperator };
    witness.truth.sync(named.inside, data, cause, timeline.nowMs);
    return result;
  }

  sweep(server: Server, shard: number, looksMax: number): void {
    const { execute, witness, timeline } = this.#options;
    const { entries } = server.model.data.shards[shard]!;
    const before = entries.size;
    const result = execute(server, 'sweep', shard, (number) =>
      server.model.sweep(number as number, looksMax),
    ) as { flowsDeleted: number } | undefined;
    if (server !== this.master) return;
    // What a sweep does not tell of is found by the next audit.
    if (entries.size === before && result?.flowsDeleted === 0) return;
    const cause = { operation: 'sweep', cancelled: false };
    witness.truth.syncShard(shard, server.model.data, cause, timeline.nowMs);
  }

  #newServer(data: ModelData): Server {
    const { timeline, random, config, serverConfig } = this.#options;
    const rate = 1 + random.between(-5e-5, 5e-5);
    const clock = new ServerClock(timeline, this.#drawOffsetMs(), rate);
    const name = `store${++this.#servers}`;
    const shared = {
      nowMs: () => clock.nowMs(),
      runId: () => name,
      replicas: () => (server.isCut || server.lags > 0 ? 0 : 1),
      data,
    };
    const server: Server = {
      name,
      model: new ModelServer({ ...shared, config: serverConfig(config) }),
      directory: new ModelServer({ ...shared, config }),
      policy: null,
      clock,
      alive: true,
      isCut: false,
      lags: 0,
    };
    return server;
  }

  #drawOffsetMs(): number {
    const half = this.#options.config.slack.clockSkewMs * 0.45;
    return this.#options.random.between(-half, half);
  }
}
