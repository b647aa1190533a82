/**
 * The gateway's seat in the deployment: joins, sends heartbeats, joins again when the store no
 * longer knows it, leaves. What the answers say that the deployment goes by, it follows.
 */
import { type ClusterConfig, RECORD_LAYOUT } from '@flowstore/flow';
import {
  ConfigFollower,
  type FlowStore,
  type JoinResult,
  type MemberInfo,
  shorterTimeouts,
  type Terms,
} from '@flowstore/flow-store';
import type { GoingBy } from '@flowstore/gateway-core';
import { ConfigError, type Logger, readCluster } from '@flowstore/service';

export const NOT_INITIALISED =
  'the store holds no cluster configuration: run this gateway once with --init';

/** For the metrics. */
export interface ConfigState {
  readonly version: number;
  /** 0: nothing is published beside it, or nothing that can be gone by. */
  readonly nextVersion: number;
  /** What is published, or what holds, can't be gone by. */
  readonly refused: boolean;
}

export class Membership {
  readonly #store: FlowStore;
  readonly #member: MemberInfo;
  readonly #log: Logger;
  readonly #follower: ConfigFollower;
  #layout = RECORD_LAYOUT;
  #timer: NodeJS.Timeout | undefined;
  #joined = false;
  /** How many times it was told to go by something else: only the last counts. */
  #changes = 0;
  /** As of the last heartbeat, ourselves included. */
  members: readonly MemberInfo[] = [];
  /** Told of them after each heartbeat. */
  onMembers: (members: readonly MemberInfo[]) => void = () => {};
  /** Told what to go by, as the store's calls do already; resolves once flows do. */
  onGoBy: (to: GoingBy) => Promise<void> = async () => {};

  constructor(store: FlowStore, member: MemberInfo, log: Logger) {
    this.#store = store;
    this.#member = member;
    this.#log = log;
    this.#follower = new ConfigFollower(store.config, readCluster);
  }

  get joined(): boolean {
    return this.#joined;
  }

  get goingBy(): GoingBy {
    const { holds, next } = this.#follower;
    const reportBy = next === null ? holds.timeouts : shorterTimeouts(holds, next);
    return { config: this.#store.config, reportBy, rules: { holds, next } };
  }

  get configState(): ConfigState {
    const { holds, next, problems } = this.#follower;
    const nextVersion = next?.version ?? 0;
    return { version: holds.version, nextVersion, refused: problems.length > 0 };
  }

  /** Joins, or throws a ConfigError that says why it may not. Heartbeats follow by themselves. */
  async join(): Promise<void> {
    await this.#accept(await this.#store.join(this.#member));
    this.#timer = setInterval(() => void this.#beat(), this.#store.config.heartbeatMs);
  }

  async leave(): Promise<void> {
    clearInterval(this.#timer);
    this.#joined = false;
    await this.#store.leave(this.#member);
  }

  #accept(result: JoinResult): void {
    if (result.kind === 'joined') {
      this.#joined = true;
      this.#follow(result.terms);
      this.#know(result.members);
      return;
    }
    throw new ConfigError('FLOWSTORE_CONFIG_INVALID', whyNot(result));
  }

  #know(members: readonly MemberInfo[]): void {
    this.members = members;
    this.onMembers(members);
  }

  async #beat(): Promise<void> {
    try {
      const result = await this.#store.heartbeat(this.#member, this.#follower.stance);
      if (result.kind === 'unknown') {
        await this.#rejoin();
        return;
      }
      this.#follow(result.terms);
      this.#know(result.members);
    } catch (error) {
      this.#log.warn({ err: (error as Error).message }, 'heartbeat failed');
    }
  }

  /** Goes by what the deployment goes by, or says why it can't; whether it can go by what holds. */
  #follow(terms: Terms): boolean {
    const followed = this.#follower.hear(terms);
    const { holds, next, problems } = this.#follower;
    if (followed.kind === 'lost') {
      this.#log.error({ problems }, 'can’t go by the configuration that holds: restart with it');
      return false;
    }
    if (followed.kind === 'asBefore' && terms.layout === this.#layout) return true;
    this.#layout = terms.layout;
    this.#store.goBy(holds, next, terms.layout);
    if (followed.kind === 'asBefore') {
      this.#log.info({ layout: terms.layout }, 'records are written in this layout from now on');
      return true;
    }
    this.#tell(holds, next);
    const change = ++this.#changes;
    void this.onGoBy(this.goingBy).then(() => {
      if (change === this.#changes) this.#follower.done();
    });
    return true;
  }

  #tell({ version }: ClusterConfig, next: ClusterConfig | null): void {
    const { problems } = this.#follower;
    if (problems.length > 0) {
      this.#log.error({ version, problems }, 'refuses the configuration that was published');
    } else if (next === null) {
      this.#log.info({ version }, 'goes by this version of the configuration');
    } else {
      const versions = { version, nextVersion: next.version };
      this.#log.info(versions, 'goes by two versions of the configuration, until all do');
    }
  }

  /** The store lost this member, or all of its data: then whoever had joined writes it back. */
  async #rejoin(): Promise<void> {
    let result = await this.#store.join(this.#member);
    if (result.kind === 'notInitialised') {
      const wrote = await this.#store.initialise('restored');
      this.#log.warn({ wrote }, 'the store lost its data: cluster configuration written back');
      result = await this.#store.join(this.#member);
    }
    // Away while another one began to hold: it goes along where it can.
    if (result.kind === 'configMismatch' && this.#follow(result.terms)) {
      result = await this.#store.join(this.#member);
    }
    try {
      this.#accept(result);
      this.#log.warn('joined again');
    } catch (error) {
      this.#joined = false;
      this.#log.error({ err: (error as Error).message }, 'may not join again');
    }
  }
}

function whyNot(result: Exclude<JoinResult, { kind: 'joined' }>): string[] {
  switch (result.kind) {
    case 'notInitialised':
      return [NOT_INITIALISED];
    case 'layoutMismatch':
      return [
        `record layout: this gateway reads ${RECORD_LAYOUT} and ${RECORD_LAYOUT - 1}, ` +
          `the deployment writes ${result.written}`,
      ];
    case 'configMismatch':
      return result.fields.map(
        (field) => `cluster.${field}: differs from what the deployment in the store runs with`,
      );
  }
}
