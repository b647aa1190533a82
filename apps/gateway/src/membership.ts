/**
 * The gateway's seat in the deployment: joins, sends heartbeats, joins again when the store no
 * longer knows it, leaves.
 */
import type { FlowStore, JoinResult, MemberInfo } from '@flowstore/flow-store';
import { ConfigError, type Logger } from '@flowstore/service';

export const NOT_INITIALISED =
  'the store holds no cluster configuration: run this gateway once with --init';

export class Membership {
  readonly #store: FlowStore;
  readonly #member: MemberInfo;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #joined = false;
  /** What differs from the published configuration, as was said last. */
  #behind = '';
  /** As of the last heartbeat, ourselves included. */
  members: readonly MemberInfo[] = [];
  /** Told of them after each heartbeat. */
  onMembers: (members: readonly MemberInfo[]) => void = () => {};

  constructor(store: FlowStore, member: MemberInfo, log: Logger) {
    this.#store = store;
    this.#member = member;
    this.#log = log;
  }

  get joined(): boolean {
    return this.#joined;
  }

  /** Joins, or throws a ConfigError that says why it may not. Heartbeats follow by themselves. */
  async join(): Promise<void> {
    this.#accept(await this.#store.join(this.#member));
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
      this.#know(result.members);
      return;
    }
    if (result.kind === 'notInitialised') {
      throw new ConfigError('FLOWSTORE_CONFIG_INVALID', [NOT_INITIALISED]);
    }
    const lines = result.fields.map(
      (field) => `cluster.${field}: differs from what the deployment in the store runs with`,
    );
    throw new ConfigError('FLOWSTORE_CONFIG_INVALID', lines);
  }

  #know(members: readonly MemberInfo[]): void {
    this.members = members;
    this.onMembers(members);
  }

  async #beat(): Promise<void> {
    try {
      const result = await this.#store.heartbeat(this.#member);
      if (result.kind === 'alive') this.#know(result.members);
      else await this.#rejoin();
      await this.#compare();
    } catch (error) {
      this.#log.warn({ err: (error as Error).message }, 'heartbeat failed');
    }
  }

  /** A configuration that was published since is taken up by a restart; until then, say so. */
  async #compare(): Promise<void> {
    const check = await this.#store.checkConfig();
    const fields = check.kind === 'configMismatch' ? check.fields : [];
    const behind = fields.join(' ');
    if (behind === this.#behind) return;
    this.#behind = behind;
    const { version } = this.#store.config;
    if (behind === '') this.#log.info({ version }, 'this is what the deployment runs with');
    else
      this.#log.warn({ version, fields }, 'another configuration was published: restart with it');
  }

  /** The store lost this member, or all of its data: then whoever had joined writes it back. */
  async #rejoin(): Promise<void> {
    let result = await this.#store.join(this.#member);
    if (result.kind === 'notInitialised') {
      const wrote = await this.#store.initialise('restored');
      this.#log.warn({ wrote }, 'the store lost its data: cluster configuration written back');
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
