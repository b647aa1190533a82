/**
 * Sweeps every shard in turn, again and again, over a connection of its own. It follows what the
 * deployment goes by, and does nothing unless it heard that lately: nobody waits for reapers.
 */
import { type ClusterConfig, SHARDS, silenceMs } from '@flowstore/flow';
import type { Timeline } from '../timeline.ts';
import { PolicyFollower } from './policy.ts';
import type { StoreLink } from './store-link.ts';
import type { StoreSite } from './store-site.ts';

/** Few enough that what is due sometimes takes a second round. */
const LOOKS_MAX = 256;
/** Shards per connection's turn: fewer happenings, same sweeps. */
const SHARDS_AT_ONCE = 16;

export interface ReaperOptions {
  readonly timeline: Timeline;
  readonly site: StoreSite;
  readonly link: StoreLink;
  readonly config: ClusterConfig;
  readonly goesByOne: boolean;
  readonly everyMs: number;
}

export class Reaper {
  isDead = false;
  /** Several reapers at once, and none of them knows of the others. */
  doubles = 0;
  /** Paused with its calls unsent: they leave when it goes on. */
  paused = false;
  readonly #unsent: (() => void)[] = [];
  readonly #options: ReaperOptions;
  readonly #follower: PolicyFollower;
  /** When it asked what the deployment goes by, and was answered. */
  #heardMs = Number.NEGATIVE_INFINITY;

  constructor(options: ReaperOptions) {
    this.#options = options;
    this.#follower = new PolicyFollower(options.config, options.goesByOne);
  }

  start(): void {
    this.#look();
    this.#sweepOn();
  }

  goOn(): void {
    this.paused = false;
    for (const send of this.#unsent.splice(0)) send();
  }

  get #isSure(): boolean {
    const { timeline, config } = this.#options;
    return timeline.nowMs - this.#heardMs < silenceMs(config) - config.heartbeatMs;
  }

  #look(): void {
    const { timeline, link, site, config } = this.#options;
    timeline.after(config.heartbeatMs, () => this.#look());
    if (this.isDead || this.paused) return;
    const askedMs = timeline.nowMs;
    link.send(
      (server) => site.askDirectory(server, (directory) => directory.deployment()),
      (state) => {
        if (state?.kind !== 'running') return;
        if (this.#follower.hear(state.terms)) link.policy = this.#follower.policy;
        this.#follower.done();
        this.#heardMs = askedMs;
      },
    );
  }

  #sweepOn(): void {
    this.#options.timeline.after(this.#options.everyMs, () => {
      const works = !this.isDead && this.#isSure;
      if (works) for (let i = 0; i <= this.doubles; i++) this.#round();
      this.#sweepOn();
    });
  }

  #round(): void {
    for (let first = 0; first < SHARDS; first += SHARDS_AT_ONCE) {
      const send = () => this.#sweep(first);
      if (this.paused) this.#unsent.push(send);
      else send();
    }
  }

  #sweep(first: number): void {
    const { link, site } = this.#options;
    link.send(
      (server) => {
        for (let i = 0; i < SHARDS_AT_ONCE; i++) site.sweep(server, first + i, LOOKS_MAX);
      },
      () => {},
    );
  }
}
