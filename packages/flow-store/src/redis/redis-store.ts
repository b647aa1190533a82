/**
 * The flow store on Redis: batches by shard, bounds what is in flight, times out.
 *
 * ```
 * requests -> by shard -> chunks -> one script call each, all at once -> results in order
 * ```
 */
import { type ClusterConfig, canonicalConfig, type PortBlock, SHARDS } from '@flowstore/flow';
import { goingByBoth, judgeChange } from '../config-change.ts';
import { differingFields } from '../config-difference.ts';
import type * as contract from '../contract.ts';
import { StoreUnavailable } from '../contract.ts';
import { shardOfFind } from '../route.ts';
import {
  checkClose,
  checkCount,
  checkFeed,
  checkIncarnation,
  checkLease,
  checkLeaseRef,
  checkList,
  checkOpen,
  checkReassert,
  checkShard,
  checkTouch,
} from '../validate.ts';
import { type AuditStep, auditRequests, placeAfter, readPlace } from './audit.ts';
import { ByteWriter } from './bytes.ts';
import {
  auditCodec,
  type Codec,
  closeCodec,
  countCodec,
  decodeSweep,
  encodeSweep,
  feedCodec,
  findCodec,
  fragmentCodec,
  leaseCodec,
  listCodec,
  openCodec,
  type RecordRequest,
  type RoutedFind,
  readReply,
  reassertCodec,
  recordCodec,
  releaseCodec,
  renewCodec,
  touchCodec,
} from './codecs.ts';
import { COMMANDS, type CommandName } from './commands.ts';
import {
  encodeHeartbeat,
  encodeMember,
  readDeployment,
  readMembers,
  readTerms,
} from './directory-codecs.ts';
import { DIRECTORY_META_KEY, metaKey } from './keys.ts';
import { packPolicy } from './policy.ts';
import { type ScriptRunner, Unreplicated } from './script-runner.ts';
import type { Timers } from './timers.ts';

export interface RedisStoreOptions {
  readonly config: ClusterConfig;
  readonly runner: ScriptRunner;
  /** For what counts only once replicas have it. The same, where none need to. */
  readonly confirming: Pick<ScriptRunner, 'run' | 'end'>;
  readonly timers: Timers;
  readonly callTimeoutMs: number;
  /** Script calls whose answer is still to come; more are refused. */
  readonly inFlightMax: number;
  /** Of the records that the scripts read. */
  readonly layout: number;
}

/** Counters since the start; inFlight is a gauge. */
export interface RedisStoreStats {
  inFlight: number;
  /** Calls refused at inFlightMax. */
  refused: number;
  /** Calls given up after callTimeoutMs. */
  timedOut: number;
  /** Script calls that failed for want of a connection or a server that serves. */
  failed: number;
  /** Script calls that ran, and whose writes too few replicas had in time. */
  unreplicated: number;
}

export class RedisFlowStore implements contract.FlowStore {
  readonly stats: RedisStoreStats = {
    inFlight: 0,
    refused: 0,
    timedOut: 0,
    failed: 0,
    unreplicated: 0,
  };
  readonly #options: RedisStoreOptions;
  /** Of the records that the scripts read: it and the one before. */
  readonly #layout: number;
  #config: ClusterConfig;
  /** What holds, as far as is known here. */
  #holds: ClusterConfig;
  /** What is published, as far as it is gone by. */
  #next: ClusterConfig | null = null;
  /** The layout to write. */
  #writes: number;
  #policy: Buffer;

  constructor(options: RedisStoreOptions) {
    const { config, layout } = options;
    this.#options = options;
    this.#layout = layout;
    this.#config = config;
    this.#holds = config;
    this.#writes = layout;
    this.#policy = packPolicy(config, layout);
  }

  get config(): ClusterConfig {
    return this.#config;
  }

  goBy(holds: ClusterConfig, next: ClusterConfig | null, layout: number): void {
    this.#config = next === null ? holds : goingByBoth(holds, next);
    this.#holds = holds;
    this.#next = next;
    this.#writes = layout;
    this.#policy = packPolicy(this.#config, layout);
  }

  async open(requests: readonly contract.OpenRequest[]): Promise<(contract.OpenResult | null)[]> {
    for (const request of requests) checkOpen(request, this.config.filtering);
    return this.#batched(openCodec, requests);
  }

  async find(requests: readonly contract.FindRequest[]): Promise<(contract.FindResult | null)[]> {
    const results = new Array<contract.FindResult | null>(requests.length).fill({ kind: 'no' });
    const routed: RoutedFind[] = [];
    const places: number[] = [];
    requests.forEach((request, place) => {
      const shard = shardOfFind(request);
      if (shard === null) return;
      routed.push({ request, shard });
      places.push(place);
    });
    const found = await this.#batched(findCodec, routed);
    found.forEach((result, i) => {
      results[places[i]!] = result;
    });
    return results;
  }

  async list(requests: readonly PortBlock[]): Promise<(contract.ListResult | null)[]> {
    requests.forEach(checkList);
    return this.#batched(listCodec, requests);
  }

  async fragment(
    requests: readonly contract.FragmentRequest[],
  ): Promise<(contract.FragmentResult | null)[]> {
    return this.#batched(fragmentCodec, requests);
  }

  async touch(
    requests: readonly contract.TouchRequest[],
  ): Promise<(contract.TouchResult | null)[]> {
    for (const request of requests) checkTouch(request, this.config.filtering);
    return this.#batched(touchCodec, requests);
  }

  async close(
    requests: readonly contract.CloseRequest[],
  ): Promise<(contract.CloseResult | null)[]> {
    for (const request of requests) checkClose(request, this.config.filtering);
    return this.#batched(closeCodec, requests);
  }

  async sweep(shard: number, looksMax: number): Promise<contract.SweepResult> {
    checkShard(shard);
    const call = { key: metaKey(shard), requests: [encodeSweep(looksMax)] };
    const [replies] = await this.#call('sweep', [call]);
    return decodeSweep(replies![0]!, replies![1]);
  }

  /** Checks some keys, from a place in the walk on (null: its beginning). See audit.ts. */
  async audit(place: string | null, keys: number): Promise<AuditStep> {
    const { server, cursor } = readPlace(place);
    const page = await this.#options.runner.scan(server, cursor, keys);
    const requests = auditRequests(page.keys);
    const results = await this.#batched(auditCodec, requests);
    return {
      next: placeAfter(server, page),
      checked: results.filter((result) => Array.isArray(result)).length,
      notYet: results.filter((result) => result === 'notYet').length,
      findings: results.flatMap((result) => (Array.isArray(result) ? result : [])),
    };
  }

  /** Takes out of a shard's feed what nobody needs any more; resolves with how many batches. */
  async trim(shard: number): Promise<number> {
    checkShard(shard);
    const reply = await this.#single('trim', metaKey(shard), Buffer.alloc(0));
    return readReply('trim', reply).reader.u32();
  }

  /** Keeps lines of the session log; false where some may be lost. Not part of the contract. */
  async record(requests: readonly RecordRequest[]): Promise<boolean> {
    const results = await this.#batched(recordCodec, requests);
    return !results.includes(null);
  }

  async lease(
    requests: readonly contract.LeaseRequest[],
  ): Promise<(contract.LeaseResult | null)[]> {
    requests.forEach(checkLease);
    return this.#batched(leaseCodec, requests);
  }

  async renew(requests: readonly contract.LeaseRef[]): Promise<(contract.RenewResult | null)[]> {
    requests.forEach(checkLeaseRef);
    return this.#batched(renewCodec, requests);
  }

  async release(
    requests: readonly contract.LeaseRef[],
  ): Promise<(contract.ReleaseResult | null)[]> {
    requests.forEach(checkLeaseRef);
    return this.#batched(releaseCodec, requests);
  }

  async feed(requests: readonly contract.FeedRequest[]): Promise<(contract.FeedResult | null)[]> {
    requests.forEach(checkFeed);
    return this.#batched(feedCodec, requests);
  }

  async reassert(
    requests: readonly contract.ReassertRequest[],
  ): Promise<(contract.ReassertResult | null)[]> {
    for (const request of requests) checkReassert(request, this.config.filtering);
    return this.#batched(reassertCodec, requests);
  }

  async count(
    requests: readonly contract.CountRequest[],
  ): Promise<(contract.CountResult | null)[]> {
    requests.forEach(checkCount);
    return this.#batched(countCodec, requests);
  }

  async initialise(deployment: contract.Beginning): Promise<boolean> {
    const next = this.#next === null ? '' : canonicalConfig(this.#next);
    const request = new ByteWriter().u8(this.#writes).text(canonicalConfig(this.#holds)).text(next);
    const reply = await this.#single('initialise', DIRECTORY_META_KEY, request.done());
    const isWritten = readReply('initialise', reply).kind === 'written';
    if (!isWritten && deployment !== 'again') return false;
    if (deployment === 'restored') return true;
    const requests = [Buffer.alloc(0)];
    const calls = Array.from({ length: SHARDS }, (_, s) => ({ key: metaKey(s), requests }));
    const marked = await this.#call('fresh', calls);
    if (!marked.includes(null)) return true;
    throw new StoreUnavailable('fresh: no answer from some shards, which begin in grace');
  }

  async publish(): Promise<contract.PublishResult> {
    const state = await this.deployment();
    const { holds, next } = state.kind === 'running' ? state.terms : { holds: null, next: null };
    const refused = judgeChange(holds, this.#holds);
    if (refused !== null) return refused;
    const texts = [holds!, next ?? '', canonicalConfig(this.#holds)];
    const request = texts.reduce((writer, text) => writer.text(text), new ByteWriter());
    const reply = await this.#single('publish', DIRECTORY_META_KEY, request.done());
    return { kind: readReply('publish', reply).kind };
  }

  async deployment(): Promise<contract.DeploymentState> {
    const reply = await this.#single('deployment', DIRECTORY_META_KEY, Buffer.alloc(0));
    const { kind, reader } = readReply('deployment', reply);
    return kind === 'notInitialised' ? { kind } : readDeployment(reader);
  }

  async join(member: contract.MemberInfo): Promise<contract.JoinResult> {
    checkIncarnation(member.incarnation);
    const ours = canonicalConfig(this.#holds);
    const request = encodeMember(member).u8(this.#layout).text(ours).done();
    const reply = await this.#single('join', DIRECTORY_META_KEY, request);
    const { kind, reader } = readReply('join', reply);
    switch (kind) {
      case 'joined':
        return { kind, members: readMembers(reader), terms: readTerms(reader) };
      case 'layoutMismatch':
        return { kind, written: reader.u8() };
      case 'notInitialised':
        return { kind };
      case 'configMismatch': {
        const terms = readTerms(reader);
        return { kind, fields: differingFields(ours, terms.holds), terms };
      }
    }
  }

  async heartbeat(
    member: contract.MemberInfo,
    stance: contract.Stance | null = null,
  ): Promise<contract.HeartbeatResult> {
    checkIncarnation(member.incarnation);
    const request = encodeHeartbeat(member, this.#layout, stance);
    const reply = await this.#single('heartbeat', DIRECTORY_META_KEY, request);
    const { kind, reader } = readReply('heartbeat', reply);
    if (kind === 'unknown') return { kind };
    return { kind, members: readMembers(reader), terms: readTerms(reader) };
  }

  async leave(member: contract.MemberInfo): Promise<void> {
    checkIncarnation(member.incarnation);
    await this.#single('leave', DIRECTORY_META_KEY, encodeMember(member).done());
  }

  async end(): Promise<void> {
    await Promise.all([this.#options.runner.end(), this.#options.confirming.end()]);
  }

  async #batched<Request, Result>(
    codec: Codec<Request, Result>,
    requests: readonly Request[],
  ): Promise<(Result | null)[]> {
    if (requests.length === 0) return [];
    const results = new Array<Result | null>(requests.length).fill(null);
    const { command } = codec;
    const chunks = chunksByShard(requests, codec.shardOf, COMMANDS[command].requestsMax);
    const calls = chunks.map(({ shard, places }) => ({
      key: metaKey(shard),
      requests: places.map((place) => codec.encode(requests[place]!)),
    }));
    const replies = await this.#call(command, calls);
    chunks.forEach(({ places }, c) => {
      const reply = replies[c];
      if (!reply) return;
      places.forEach((place, i) => {
        results[place] = codec.decode(reply[i]!, requests[place]!, this.config);
      });
    });
    return results;
  }

  async #single(command: CommandName, key: string, request: Buffer): Promise<Buffer> {
    const [replies] = await this.#call(command, [{ key, requests: [request] }]);
    return replies![0]!;
  }

  /**
   * All at once, within one timeout; an answer that comes after it is ignored. Where some got no
   * answer their replies are null; where none did it rejects with StoreUnavailable.
   */
  async #call(
    command: CommandName,
    calls: readonly { key: string; requests: Buffer[] }[],
  ): Promise<(Buffer[] | null)[]> {
    const { timers, callTimeoutMs, inFlightMax } = this.#options;
    if (this.stats.inFlight + calls.length > inFlightMax) {
      this.stats.refused += 1;
      throw new StoreUnavailable(
        `${command}: ${this.stats.inFlight} calls are in flight, at most ${inFlightMax} may be`,
      );
    }
    const { promise: late, resolve: giveUp } = Promise.withResolvers<StoreUnavailable>();
    const cancel = timers.after(callTimeoutMs, () => {
      this.stats.timedOut += 1;
      giveUp(new StoreUnavailable(`${command}: no answer within ${callTimeoutMs} ms`));
    });
    try {
      const answers = calls.map(({ key, requests }) => this.#run(command, key, requests));
      const replies = await Promise.all(answers.map((answer) => Promise.race([answer, late])));
      const failures = replies.filter((reply) => reply instanceof StoreUnavailable);
      if (failures.length > 0 && failures.length === replies.length) throw failures[0]!;
      return replies.map((reply) => (reply instanceof StoreUnavailable ? null : reply));
    } finally {
      cancel();
    }
  }

  /** Resolves with StoreUnavailable where there is no answer; other errors are bugs. */
  async #run(
    command: CommandName,
    key: string,
    requests: Buffer[],
  ): Promise<Buffer[] | StoreUnavailable> {
    const { runner, confirming } = this.#options;
    const through = COMMANDS[command].replicated ? confirming : runner;
    this.stats.inFlight += 1;
    try {
      return await through.run(command, key, [this.#policy, ...requests]);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      this.stats[error instanceof Unreplicated ? 'unreplicated' : 'failed'] += 1;
      return error;
    } finally {
      this.stats.inFlight -= 1;
    }
  }
}

/** Places in `requests`, in order within a shard, at most `requestsMax` to a chunk. */
function chunksByShard<Request>(
  requests: readonly Request[],
  shardOf: (request: Request) => number,
  requestsMax: number,
): { shard: number; places: number[] }[] {
  const chunks: { shard: number; places: number[] }[] = [];
  const open = new Map<number, number[]>();
  requests.forEach((request, place) => {
    const shard = shardOf(request);
    let places = open.get(shard);
    if (places === undefined || places.length === requestsMax) {
      places = [];
      open.set(shard, places);
      chunks.push({ shard, places });
    }
    places.push(place);
  });
  return chunks;
}
