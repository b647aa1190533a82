/** The model behind the contract: a ModelServer whose answers come as promises. */
import type { ClusterConfig, PortBlock } from '@flowstore/flow';
import type * as contract from '../contract.ts';
import { StoreUnavailable } from '../contract.ts';
import { type ModelData, type ModelOptions, ModelServer } from './model-server.ts';

export class ModelFlowStore implements contract.FlowStore {
  readonly #server: ModelServer;

  constructor(options: ModelOptions) {
    this.#server = new ModelServer(options);
  }

  get config(): ClusterConfig {
    return this.#server.config;
  }

  goBy(holds: ClusterConfig, next: ClusterConfig | null, layout: number): void {
    this.#server.goBy(holds, next, layout);
  }

  get data(): ModelData {
    return this.#server.data;
  }

  async open(requests: readonly contract.OpenRequest[]): Promise<contract.OpenResult[]> {
    return this.#server.open(requests);
  }

  async find(requests: readonly contract.FindRequest[]): Promise<contract.FindResult[]> {
    return this.#server.find(requests);
  }

  async list(requests: readonly PortBlock[]): Promise<contract.ListResult[]> {
    return this.#server.list(requests);
  }

  async fragment(
    requests: readonly contract.FragmentRequest[],
  ): Promise<contract.FragmentResult[]> {
    return this.#server.fragment(requests);
  }

  async touch(requests: readonly contract.TouchRequest[]): Promise<contract.TouchResult[]> {
    return this.#server.touch(requests);
  }

  async close(requests: readonly contract.CloseRequest[]): Promise<contract.CloseResult[]> {
    return this.#server.close(requests);
  }

  async sweep(shard: number, looksMax: number): Promise<contract.SweepResult> {
    return this.#server.sweep(shard, looksMax);
  }

  async lease(
    requests: readonly contract.LeaseRequest[],
  ): Promise<(contract.LeaseResult | null)[]> {
    return this.#server.lease(requests);
  }

  async renew(requests: readonly contract.LeaseRef[]): Promise<(contract.RenewResult | null)[]> {
    return this.#server.renew(requests);
  }

  async release(requests: readonly contract.LeaseRef[]): Promise<contract.ReleaseResult[]> {
    return this.#server.release(requests);
  }

  async feed(requests: readonly contract.FeedRequest[]): Promise<(contract.FeedResult | null)[]> {
    return this.#server.feed(requests);
  }

  async reassert(
    requests: readonly contract.ReassertRequest[],
  ): Promise<contract.ReassertResult[]> {
    return this.#server.reassert(requests);
  }

  async count(requests: readonly contract.CountRequest[]): Promise<contract.CountResult[]> {
    return this.#server.count(requests);
  }

  async initialise(deployment: contract.Beginning): Promise<boolean> {
    return answered(this.#server.initialise(deployment));
  }

  async publish(): Promise<contract.PublishResult> {
    return answered(this.#server.publish());
  }

  async deployment(): Promise<contract.DeploymentState> {
    return answered(this.#server.deployment());
  }

  async join(member: contract.MemberInfo): Promise<contract.JoinResult> {
    return answered(this.#server.join(member));
  }

  async heartbeat(
    member: contract.MemberInfo,
    stance: contract.Stance | null = null,
  ): Promise<contract.HeartbeatResult> {
    return answered(this.#server.heartbeat(member, stance));
  }

  async leave(member: contract.MemberInfo): Promise<void> {
    this.#server.leave(member);
  }

  async end(): Promise<void> {}

  /** How much is stored, over all shards: every figure is 0 again once everything was swept. */
  counts(): { entries: number; rows: number; marks: number; leases: number } {
    return this.#server.counts();
  }
}

function answered<Result>(result: Result | null): Result {
  if (result === null) throw new StoreUnavailable('too few replicas have it (cluster.minReplicas)');
  return result;
}
