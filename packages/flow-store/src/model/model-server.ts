/**
 * The flow store over Maps and a clock that is passed in: the specification that Redis is held to,
 * and the store of tests and of the simulator. Written to be read; everything is a scan. It answers
 * at once, like a script that runs in Redis; ModelFlowStore makes promises of its answers.
 */
import {
  type ClusterConfig,
  type PortBlock,
  RECORD_LAYOUT,
  SHARDS,
  shardOfBlock,
  shardOfDatagram,
  shardOfInside,
} from '@flowstore/flow';
import { goingByBoth } from '../config-change.ts';
import type * as contract from '../contract.ts';
import { shardOfFind } from '../route.ts';
import {
  checkClose,
  checkCount,
  checkFeed,
  checkLease,
  checkLeaseRef,
  checkList,
  checkOpen,
  checkReassert,
  checkShard,
  checkTouch,
} from '../validate.ts';
import { type Caller, DirectoryData, ModelDirectory } from './model-directory.ts';
import { ModelShard } from './model-shard.ts';
import { sweepShard } from './model-sweep.ts';

/** What the server holds: several stores over the same data are several clients. */
export class ModelData {
  readonly shards: readonly ModelShard[] = Array.from({ length: SHARDS }, () => new ModelShard());
  readonly directory = new DirectoryData();

  /** The same data once more: what a replica holds, or a snapshot. */
  clone(): ModelData {
    const copy = new ModelData();
    for (const [i, shard] of this.shards.entries()) copy.shards[i]!.copyFrom(shard);
    copy.directory.copyFrom(this.directory);
    return copy;
  }
}

export interface ModelOptions {
  readonly config: ClusterConfig;
  /** This server's clock, in whole ms. */
  readonly nowMs: () => number;
  /** Which server it is: one that takes over has another. Without one there is no grace. */
  readonly runId?: () => string;
  /** How many replicas have what was written last; none by default. */
  readonly replicas?: () => number;
  /** Of another server, to be a second client of it. */
  readonly data?: ModelData;
  /** Of the client's records; this release's by default. */
  readonly layout?: number;
}

export class ModelServer {
  readonly data: ModelData;
  readonly #directory: ModelDirectory;
  #caller: Caller;
  #config: ClusterConfig;
  readonly #nowMs: () => number;
  readonly #runId: (() => string) | undefined;
  readonly #replicas: () => number;

  constructor(options: ModelOptions) {
    const { config, nowMs, runId, replicas = () => 0, data = new ModelData() } = options;
    const { layout = RECORD_LAYOUT } = options;
    this.#runId = runId;
    this.#replicas = replicas;
    this.#config = config;
    this.#caller = { holds: config, next: null, layout, writes: layout };
    this.data = data;
    this.#nowMs = nowMs;
    this.#directory = new ModelDirectory(data.directory, nowMs);
  }

  /** What calls go by. */
  get config(): ClusterConfig {
    return this.#config;
  }

  goBy(holds: ClusterConfig, next: ClusterConfig | null, layout: number): void {
    this.#config = next === null ? holds : goingByBoth(holds, next);
    this.#caller = { ...this.#caller, holds, next, writes: layout };
  }

  open(requests: readonly contract.OpenRequest[]): contract.OpenResult[] {
    for (const request of requests) checkOpen(request, this.config.filtering);
    return requests.map((request) => {
      const { shard, nowMs } = this.#at(shardOfInside(request.inside));
      return shard.open(request, this.config, nowMs);
    });
  }

  find(requests: readonly contract.FindRequest[]): contract.FindResult[] {
    return requests.map((request) => {
      const number = shardOfFind(request);
      if (number === null) return { kind: 'no' };
      const { shard, nowMs } = this.#at(number);
      return shard.find(request, this.config, nowMs);
    });
  }

  list(requests: readonly PortBlock[]): contract.ListResult[] {
    requests.forEach(checkList);
    return requests.map((request) => {
      const { shard, nowMs } = this.#at(shardOfBlock(request));
      return { kind: 'flows', flows: shard.list(request, this.config, nowMs) };
    });
  }

  fragment(requests: readonly contract.FragmentRequest[]): contract.FragmentResult[] {
    return requests.map((request) => {
      const number = shardOfDatagram(request.datagram);
      const { shard, nowMs } = this.#at(number);
      return shard.fragments.answer(request, number, nowMs);
    });
  }

  touch(requests: readonly contract.TouchRequest[]): contract.TouchResult[] {
    for (const request of requests) checkTouch(request, this.config.filtering);
    return requests.map((request) => {
      const { shard, nowMs } = this.#at(shardOfInside(request.inside));
      return shard.touch(request, this.config, nowMs);
    });
  }

  close(requests: readonly contract.CloseRequest[]): contract.CloseResult[] {
    for (const request of requests) checkClose(request, this.config.filtering);
    return requests.map((request) => {
      const { shard, nowMs } = this.#at(shardOfInside(request.inside));
      return shard.close(request, this.config, nowMs);
    });
  }

  sweep(number: number, looksMax: number): contract.SweepResult {
    checkShard(number);
    const { shard, nowMs } = this.#at(number);
    return sweepShard(shard, looksMax, this.config, nowMs);
  }

  lease(requests: readonly contract.LeaseRequest[]): (contract.LeaseResult | null)[] {
    requests.forEach(checkLease);
    const results = requests.map((request): contract.LeaseResult => {
      const { shard, nowMs } = this.#at(request.shard);
      const { grace, ports } = shard;
      if (grace.mayGrant(this.config, nowMs)) {
        return ports.lease(request, 'unleased', this.config, nowMs);
      }
      if (!grace.mayGrantUntouched(this.config, nowMs)) return { kind: 'notYet' };
      const result = ports.lease(request, 'untouched', this.config, nowMs);
      return result.kind === 'exhausted' ? { kind: 'notYet' } : result;
    });
    return results.map((result) => this.#counted(result));
  }

  renew(requests: readonly contract.LeaseRef[]): (contract.RenewResult | null)[] {
    requests.forEach(checkLeaseRef);
    const results = requests.map((request): contract.RenewResult => {
      const { shard, nowMs } = this.#at(shardOfBlock(request));
      const inGrace = shard.grace.isOn(this.config, nowMs);
      const result = shard.ports.renew(request, inGrace, this.config, nowMs);
      const rowsAreSure = shard.grace.mayGrant(this.config, nowMs);
      return result.kind === 'renewed' ? { ...result, rowsAreSure } : result;
    });
    return results.map((result) => this.#counted(result));
  }

  release(requests: readonly contract.LeaseRef[]): contract.ReleaseResult[] {
    requests.forEach(checkLeaseRef);
    return requests.map((request) => {
      const { shard, nowMs } = this.#at(shardOfBlock(request));
      return shard.ports.release(request, this.config, nowMs);
    });
  }

  feed(requests: readonly contract.FeedRequest[]): (contract.FeedResult | null)[] {
    requests.forEach(checkFeed);
    const results = requests.map((request): contract.FeedResult => {
      const { shard, nowMs } = this.#at(request.shard);
      shard.grace.hearOf(this.config, nowMs);
      if (this.#runId !== undefined) shard.grace.hear(nowMs);
      const inGrace = shard.grace.isOn(this.config, nowMs);
      return { ...shard.feed.read(request, shard.grace.sinceMs, nowMs), inGrace };
    });
    return results.map((result) => this.#counted(result));
  }

  reassert(requests: readonly contract.ReassertRequest[]): contract.ReassertResult[] {
    for (const request of requests) checkReassert(request, this.config.filtering);
    return requests.map((request) => {
      const { shard, nowMs } = this.#at(shardOfInside(request.inside));
      return shard.reassert(request, this.config, nowMs);
    });
  }

  count(requests: readonly contract.CountRequest[]): contract.CountResult[] {
    requests.forEach(checkCount);
    return requests.map(({ shard, subscriber }) => {
      const { ports } = this.#at(shard).shard;
      const isCounted = this.config.bindingsPerSubscriberMax > 0;
      return { kind: 'counted', bindings: isCounted ? ports.countOf(subscriber) : 0 };
    });
  }

  initialise(deployment: contract.Beginning = 'new'): boolean | null {
    const isWritten = this.#directory.initialise(this.#caller);
    if (!isWritten && deployment !== 'again') return this.#counted(false);
    if (this.#counted(true) === null || deployment === 'restored') return this.#counted(true);
    for (const { grace } of this.data.shards) grace.markFresh(this.#runId?.() ?? '');
    return true;
  }

  publish(): contract.PublishResult | null {
    return this.#counted(this.#directory.publish(this.#caller));
  }

  deployment(): contract.DeploymentState | null {
    return this.#counted(this.#directory.deployment(this.#caller));
  }

  join(member: contract.MemberInfo): contract.JoinResult | null {
    return this.#counted(this.#directory.join(member, this.#caller));
  }

  heartbeat(
    member: contract.MemberInfo,
    stance: contract.Stance | null = null,
  ): contract.HeartbeatResult | null {
    return this.#counted(this.#directory.heartbeat(member, stance, this.#caller));
  }

  leave(member: contract.MemberInfo): void {
    this.#directory.leave(member, this.#caller);
  }

  /** How much is stored, over all shards: every figure is 0 again once everything was swept. */
  counts(): { entries: number; rows: number; marks: number; leases: number } {
    const total = { entries: 0, rows: 0, marks: 0, leases: 0 };
    for (const shard of this.data.shards) {
      total.entries += shard.entries.size;
      for (const { rows, lease } of shard.ports.blocks.values()) {
        if (lease !== null) total.leases += 1;
        for (const row of rows.values()) {
          if (row.kind === 'bound') total.rows += 1;
          else total.marks += 1;
        }
      }
    }
    return total;
  }

  /** The result, or no answer where too few replicas have what was written. */
  #counted<Result>(result: Result): Result | null {
    return this.#replicas() < this.config.minReplicas ? null : result;
  }

  /** A shard, and its time: every call reads the clock once. */
  #at(number: number): { shard: ModelShard; nowMs: number } {
    const shard = this.data.shards[number]!;
    const nowMs = shard.timeMs(this.#nowMs());
    if (this.#runId !== undefined) shard.grace.notice(this.#runId(), this.config, nowMs);
    return { shard, nowMs };
  }
}
