/** Sweeps every shard in turn, again and again, over a connection of its own. */
import { SHARDS } from '@flowstore/flow';
import type { Timeline } from '../timeline.ts';
import type { StoreLink } from './store-link.ts';
import type { StoreSite } from './store-site.ts';

/** Few enough that what is due sometimes takes a second round. */
const LOOKS_MAX = 256;
/** Shards per connection's turn: fewer happenings, same sweeps. */
const SHARDS_AT_ONCE = 16;

export class Reaper {
  isDead = false;
  /** Several reapers at once, and none of them knows of the others. */
  doubles = 0;
  /** Paused with its calls unsent: they leave when it goes on. */
  paused = false;
  readonly #unsent: (() => void)[] = [];
  readonly #timeline: Timeline;
  readonly #site: StoreSite;
  readonly #link: StoreLink;
  readonly #everyMs: number;

  constructor(options: {
    timeline: Timeline;
    site: StoreSite;
    link: StoreLink;
    everyMs: number;
  }) {
    this.#timeline = options.timeline;
    this.#site = options.site;
    this.#link = options.link;
    this.#everyMs = options.everyMs;
  }

  start(): void {
    this.#timeline.after(this.#everyMs, () => {
      if (!this.isDead) for (let i = 0; i <= this.doubles; i++) this.#round();
      this.start();
    });
  }

  goOn(): void {
    this.paused = false;
    for (const send of this.#unsent.splice(0)) send();
  }

  #round(): void {
    for (let first = 0; first < SHARDS; first += SHARDS_AT_ONCE) {
      const send = () => this.#sweep(first);
      if (this.paused) this.#unsent.push(send);
      else send();
    }
  }

  #sweep(first: number): void {
    this.#link.send(
      (server) => {
        for (let i = 0; i < SHARDS_AT_ONCE; i++) this.#site.sweep(server, first + i, LOOKS_MAX);
      },
      () => {},
    );
  }
}
