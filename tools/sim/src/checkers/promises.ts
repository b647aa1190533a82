/**
 * What is promised while the deployment's configuration changes. Until another one holds nobody
 * goes by it alone, so that no flow ends by its timeouts; from then on nobody is sure to keep the
 * former one's. Whoever was away may act by the former one until it heard of the change, and a call
 * that hung somewhere, or a reaper that stood still, later still: a promise that grows is kept only
 * when that is over.
 */
import type { ClusterConfig, Timeouts } from '@flowstore/flow';
import type { Timeline } from '../timeline.ts';
import type { Life } from '../world/life.ts';

/** A gateway that was cut off, or a reaper that stood still, is back after so many quarantines. */
const AWAY_QUARANTINES = 3;

export class Promises {
  /** All checkers have this very object: its timeouts are those that nobody may fall short of. */
  readonly config: { -readonly [Field in keyof ClusterConfig]: ClusterConfig[Field] };
  readonly #timeline: Timeline;
  readonly #lives: readonly Life[];
  #holds: string | null = null;
  /** That of `#holds`, and those that held lately. */
  #inForce: Timeouts[];

  constructor(config: ClusterConfig, timeline: Timeline, lives: readonly Life[]) {
    this.config = { ...config };
    this.#timeline = timeline;
    this.#lives = lives;
    this.#inForce = [config.timeouts];
  }

  /** What the master's directory says now; null: it is empty, and everybody goes on as before. */
  look(holds: string | null): void {
    if (holds === null || holds === this.#holds) return;
    const isFirst = this.#holds === null;
    this.#holds = holds;
    if (isFirst) return;
    const former = this.#inForce[0]!;
    this.#inForce.unshift((JSON.parse(holds) as ClusterConfig).timeouts);
    this.#take();
    this.#timeline.after(AWAY_QUARANTINES * this.config.quarantineMs, () => {
      this.#inForce.splice(this.#inForce.lastIndexOf(former), 1);
      this.#take();
    });
    const { nowMs } = this.#timeline;
    for (const life of this.#lives) {
      const isWell = life.troubledMs(nowMs - this.config.leaseMs, nowMs) === 0;
      if (life.endedMs === null && !isWell) life.fallBehind();
      life.isOutlived ||= life.killed;
    }
  }

  #take(): void {
    this.config.timeouts = this.#inForce.reduce(shorter);
  }
}

function shorter(a: Timeouts, b: Timeouts): Timeouts {
  return {
    tcpEstablishedMs: Math.min(a.tcpEstablishedMs, b.tcpEstablishedMs),
    tcpTransitoryMs: Math.min(a.tcpTransitoryMs, b.tcpTransitoryMs),
    tcpClosingMs: Math.min(a.tcpClosingMs, b.tcpClosingMs),
    udpMs: Math.min(a.udpMs, b.udpMs),
    icmpMs: Math.min(a.icmpMs, b.icmpMs),
  };
}
