/**
 * The directory of the model: members, the configuration that holds and the one that is next, the
 * layout that is written. Every call moves on what is ripe, as the scripts do.
 */
import { type ClusterConfig, canonicalConfig, silenceMs } from '@flowstore/flow';
import { judgeChange } from '../config-change.ts';
import { differingFields } from '../config-difference.ts';
import {
  type DeploymentState,
  type HeartbeatResult,
  type JoinResult,
  type MemberInfo,
  type PublishResult,
  readsLayout,
  type Stance,
  type Terms,
} from '../deployment.ts';
import { checkIncarnation } from '../validate.ts';

interface Member {
  readonly info: MemberInfo;
  readonly untilMs: number;
  /** Of records: it reads this one and the one before. */
  readonly layout: number;
  readonly stance: Stance | null;
}

interface Waiting<What> {
  readonly what: What;
  readonly sinceMs: number;
}

/** What is stored. */
export class DirectoryData {
  configText: string | null = null;
  next: Waiting<string> | null = null;
  layout = 0;
  nextLayout: Waiting<number> | null = null;
  readonly members = new Map<string, Member>();

  copyFrom(other: DirectoryData): void {
    this.configText = other.configText;
    this.next = other.next;
    this.layout = other.layout;
    this.nextLayout = other.nextLayout;
    for (const [name, member] of other.members) this.members.set(name, member);
  }
}

/** Who calls: what it was started with, or goes by since. */
export interface Caller {
  readonly holds: ClusterConfig;
  /** What is published, as far as it is gone by. */
  readonly next: ClusterConfig | null;
  readonly layout: number;
  readonly writes: number;
}

export class ModelDirectory {
  readonly #data: DirectoryData;
  readonly #nowMs: () => number;

  constructor(data: DirectoryData, nowMs: () => number) {
    this.#data = data;
    this.#nowMs = nowMs;
  }

  initialise({ holds, next, writes }: Caller): boolean {
    const data = this.#data;
    if (data.configText !== null) return false;
    data.configText = canonicalConfig(holds);
    data.next = next && { what: canonicalConfig(next), sinceMs: this.#nowMs() };
    data.layout = writes;
    data.nextLayout = null;
    return true;
  }

  publish({ holds: config }: Caller): PublishResult {
    const data = this.#data;
    const refused = judgeChange(data.configText, config);
    if (refused !== null) return refused;
    const what = canonicalConfig(config);
    if (data.next?.what !== what) data.next = { what, sinceMs: this.#nowMs() };
    return { kind: 'published' };
  }

  deployment({ holds }: Caller): DeploymentState {
    if (this.#data.configText === null) return { kind: 'notInitialised' };
    this.#settle(holds);
    const next = this.#data.next?.what ?? null;
    const members = this.#live().map(({ info: { name }, stance }) => {
      if (stance === null || stance.next !== next) {
        return { name, stance: 'silent' as const, problems: [] };
      }
      const { problems } = stance;
      return { name, stance: problems.length === 0 ? 'goesByBoth' : 'refuses', problems } as const;
    });
    return {
      kind: 'running',
      terms: this.#terms(),
      members,
      nextLayout: this.#data.nextLayout?.what ?? null,
    };
  }

  join(info: MemberInfo, { holds, layout }: Caller): JoinResult {
    checkIncarnation(info.incarnation);
    const { configText, next } = this.#data;
    if (configText === null) return { kind: 'notInitialised' };
    const written = this.#data.layout;
    if (written !== layout && written !== layout - 1) return { kind: 'layoutMismatch', written };
    const text = canonicalConfig(holds);
    if (text !== configText && text !== next?.what) {
      const fields = differingFields(text, configText);
      return { kind: 'configMismatch', fields, terms: this.#terms() };
    }
    this.#hear(info, layout, text === next?.what ? { next: text, problems: [] } : null, holds);
    this.#settle(holds);
    return { kind: 'joined', members: this.#infos(), terms: this.#terms() };
  }

  heartbeat(info: MemberInfo, stance: Stance | null, { holds, layout }: Caller): HeartbeatResult {
    checkIncarnation(info.incarnation);
    const known = this.#live().find((one) => one.info.name === info.name);
    const isKnown = known?.info.incarnation === info.incarnation;
    if (!isKnown || this.#data.configText === null) return { kind: 'unknown' };
    this.#hear(info, layout, stance, holds);
    this.#settle(holds);
    return { kind: 'alive', members: this.#infos(), terms: this.#terms() };
  }

  leave({ name, incarnation }: MemberInfo, { holds }: Caller): void {
    checkIncarnation(incarnation);
    const known = this.#data.members.get(name);
    if (known?.info.incarnation === incarnation) this.#data.members.delete(name);
    this.#settle(holds);
  }

  #hear(info: MemberInfo, layout: number, stance: Stance | null, { leaseMs }: ClusterConfig): void {
    const untilMs = this.#nowMs() + leaseMs;
    this.#data.members.set(info.name, { info, untilMs, layout, stance });
  }

  /**
   * What was published holds once every live member goes by both; what every live member reads is
   * written. Both wait for a silence first: reapers are no members, and ask less often than that.
   */
  #settle(config: ClusterConfig): void {
    const data = this.#data;
    if (data.configText === null) return;
    const live = this.#live();
    const { next } = data;
    const isOver = ({ sinceMs }: Waiting<unknown>) => this.#nowMs() >= sinceMs + silenceMs(config);
    const goesByBoth = ({ stance }: Member) =>
      stance?.next === next?.what && stance?.problems.length === 0;
    if (next !== null && isOver(next) && live.every(goesByBoth)) {
      data.configText = next.what;
      data.next = null;
    }
    const what = data.layout + 1;
    if (live.length === 0 || live.some(({ layout }) => !readsLayout(layout, what))) {
      data.nextLayout = null;
    } else if (data.nextLayout === null) {
      data.nextLayout = { what, sinceMs: this.#nowMs() };
    } else if (isOver(data.nextLayout)) {
      data.layout = what;
      data.nextLayout = null;
    }
  }

  #terms(): Terms {
    const { configText, next, layout } = this.#data;
    return { holds: configText!, next: next?.what ?? null, layout };
  }

  /** Sorted by name; whoever was silent for a lease length is forgotten. */
  #live(): Member[] {
    const { members } = this.#data;
    for (const [name, { untilMs }] of members) {
      if (untilMs <= this.#nowMs()) members.delete(name);
    }
    return [...members.values()].sort((a, b) => (a.info.name < b.info.name ? -1 : 1));
  }

  #infos(): MemberInfo[] {
    return this.#live().map(({ info }) => info);
  }
}
