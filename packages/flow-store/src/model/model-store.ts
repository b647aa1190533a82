/**
 * The flow store over Maps and a clock that is passed in: the specification that Redis is held to,
 * and the store of tests that need none of Redis. Written to be read; everything is a scan.
 */
import {
  type ClusterConfig,
  canonicalConfig,
  SHARDS,
  shardOfBlock,
  shardOfInside,
} from '@flowstore/flow';
import { differingFields } from '../config-difference.ts';
import type * as contract from '../contract.ts';
import { shardOfFind } from '../route.ts';
import {
  checkClose,
  checkIncarnation,
  checkLease,
  checkLeaseRef,
  checkOpen,
  checkShard,
  checkTouch,
} from '../validate.ts';
import { ModelShard } from './model-shard.ts';

interface Member extends contract.MemberInfo {
  readonly untilMs: number;
}

/** What the server holds: several stores over the same data are several clients. */
export class ModelData {
  readonly shards: readonly ModelShard[] = Array.from({ length: SHARDS }, () => new ModelShard());
  configText: string | null = null;
  readonly members = new Map<string, Member>();
}

export interface ModelOptions {
  readonly config: ClusterConfig;
  /** Whole ms; must never go back. */
  readonly nowMs: () => number;
  /** Of another ModelFlowStore, to be a second client of it. */
  readonly data?: ModelData;
}

export class ModelFlowStore implements contract.FlowStore {
  readonly config: ClusterConfig;
  readonly data: ModelData;
  readonly #nowMs: () => number;

  constructor({ config, nowMs, data = new ModelData() }: ModelOptions) {
    this.config = config;
    this.data = data;
    this.#nowMs = nowMs;
  }

  async open(requests: readonly contract.OpenRequest[]): Promise<contract.OpenResult[]> {
    requests.forEach(checkOpen);
    return requests.map((request) =>
      this.#shard(shardOfInside(request.inside)).open(request, this.config, this.#nowMs()),
    );
  }

  async find(requests: readonly contract.FindRequest[]): Promise<contract.FindResult[]> {
    return requests.map((request) => {
      const shard = shardOfFind(request);
      if (shard === null) return { kind: 'no' };
      return this.#shard(shard).find(request, this.config, this.#nowMs());
    });
  }

  async touch(requests: readonly contract.TouchRequest[]): Promise<contract.TouchResult[]> {
    requests.forEach(checkTouch);
    return requests.map((request) =>
      this.#shard(shardOfInside(request.inside)).touch(request, this.config, this.#nowMs()),
    );
  }

  async close(requests: readonly contract.CloseRequest[]): Promise<contract.CloseResult[]> {
    requests.forEach(checkClose);
    return requests.map((request) =>
      this.#shard(shardOfInside(request.inside)).close(request, this.config, this.#nowMs()),
    );
  }

  async sweep(shard: number, blocksMax: number): Promise<contract.SweepResult> {
    checkShard(shard);
    return this.#shard(shard).sweep(blocksMax, this.config, this.#nowMs());
  }

  async lease(requests: readonly contract.LeaseRequest[]): Promise<contract.LeaseResult[]> {
    requests.forEach(checkLease);
    return requests.map((request) =>
      this.#shard(request.shard).lease(request, this.config, this.#nowMs()),
    );
  }

  async renew(requests: readonly contract.LeaseRef[]): Promise<contract.RenewResult[]> {
    requests.forEach(checkLeaseRef);
    return requests.map((request) =>
      this.#shard(shardOfBlock(request)).renew(request, this.config, this.#nowMs()),
    );
  }

  async release(requests: readonly contract.LeaseRef[]): Promise<contract.ReleaseResult[]> {
    requests.forEach(checkLeaseRef);
    return requests.map((request) =>
      this.#shard(shardOfBlock(request)).release(request, this.#nowMs()),
    );
  }

  async initialise(): Promise<boolean> {
    if (this.data.configText !== null) return false;
    this.data.configText = canonicalConfig(this.config);
    return true;
  }

  async checkConfig(): Promise<contract.ConfigCheck> {
    const stored = this.data.configText;
    if (stored === null) return { kind: 'notInitialised' };
    const fields = differingFields(canonicalConfig(this.config), stored);
    return fields.length === 0 ? { kind: 'match' } : { kind: 'configMismatch', fields };
  }

  async join(member: contract.MemberInfo): Promise<contract.JoinResult> {
    checkIncarnation(member.incarnation);
    const check = await this.checkConfig();
    if (check.kind !== 'match') return check;
    this.#hear(member);
    return { kind: 'joined', members: this.#members() };
  }

  async heartbeat(member: contract.MemberInfo): Promise<contract.HeartbeatResult> {
    checkIncarnation(member.incarnation);
    const known = this.#members().find((one) => one.name === member.name);
    if (known?.incarnation !== member.incarnation) return { kind: 'unknown' };
    this.#hear(member);
    return { kind: 'alive', members: this.#members() };
  }

  async leave(member: contract.MemberInfo): Promise<void> {
    checkIncarnation(member.incarnation);
    const known = this.data.members.get(member.name);
    if (known?.incarnation === member.incarnation) this.data.members.delete(member.name);
  }

  async end(): Promise<void> {}

  /** How much is stored, over all shards: every figure is 0 again once everything was swept. */
  counts(): { entries: number; rows: number; marks: number; leases: number } {
    const total = { entries: 0, rows: 0, marks: 0, leases: 0 };
    for (const shard of this.data.shards) {
      total.entries += shard.entries.size;
      for (const { rows, lease } of shard.blocks.values()) {
        if (lease !== null) total.leases += 1;
        for (const row of rows.values()) {
          if (row.kind === 'bound') total.rows += 1;
          else total.marks += 1;
        }
      }
    }
    return total;
  }

  #shard(shard: number): ModelShard {
    return this.data.shards[shard]!;
  }

  #hear({ name, incarnation, controlUrl }: contract.MemberInfo): void {
    const untilMs = this.#nowMs() + this.config.leaseMs;
    this.data.members.set(name, { name, incarnation, controlUrl, untilMs });
  }

  /** Sorted by name; whoever was silent for a lease length is forgotten. */
  #members(): contract.MemberInfo[] {
    for (const { name, untilMs } of this.data.members.values()) {
      if (untilMs <= this.#nowMs()) this.data.members.delete(name);
    }
    return [...this.data.members.values()]
      .map(({ name, incarnation, controlUrl }) => ({ name, incarnation, controlUrl }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}
