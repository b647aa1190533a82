/**
 * Somebody's connection to the store: latency, and every way in which a call can go wrong. The
 * caller hears one answer or, after its own timeout, none; what the store does is another matter.
 */
import type { Random } from '../random.ts';
import type { Timeline } from '../timeline.ts';
import type { Policy } from './policy.ts';
import type { Server, StoreSite } from './store-site.ts';

export const CALL_TIMEOUT_MS = 1_000;
/** So much faster does a refusal come than a timeout. */
const REFUSED_MS = 1;

/** Shares and delays add up over the faults that are on. */
export interface Weather {
  /** Faults that keep calls from arriving. */
  away: number;
  /** Of those, the ones that are told at once: a connection is refused. */
  refused: number;
  slowMs: number;
  loseReplies: number;
  runTwice: number;
  /** Calls that hang somewhere for seconds and then arrive after all. */
  late: number;
}

export function calm(): Weather {
  return { away: 0, refused: 0, slowMs: 0, loseReplies: 0, runTwice: 0, late: 0 };
}

export interface StoreLinkOptions {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly site: StoreSite;
  /** What its calls carry at first. */
  readonly policy: Policy;
  /** Of this connection, and of all. */
  readonly weather: Weather;
  readonly everywhere: Weather;
}

export class StoreLink {
  readonly weather: Weather;
  /** What calls carry that are sent from now on. */
  policy: Policy;
  /** A server that is no longer the master, where this connection still leads to it. */
  pinned: Server | null = null;
  readonly #options: StoreLinkOptions;
  readonly #latencyMs: number;

  constructor(options: StoreLinkOptions) {
    this.#options = options;
    this.weather = options.weather;
    this.policy = options.policy;
    this.#latencyMs = options.random.pick([0.1, 0.3, 1, 3]);
  }

  /** `onReply` hears null where no answer came in time; it is called once. */
  send<T>(run: (server: Server) => T, onReply: (result: T | null) => void): void {
    const { timeline, random, site } = this.#options;
    const { policy } = this;
    const execute = (server: Server) => {
      site.goBy(server, policy);
      return run(server);
    };
    const giveUpMs = timeline.nowMs + CALL_TIMEOUT_MS;
    const giveUp = () => timeline.at(giveUpMs, () => onReply(null));
    if (this.#sum('away') > 0) {
      if (this.#sum('refused') > 0) timeline.after(REFUSED_MS, () => onReply(null));
      else giveUp();
      return;
    }
    const server = this.pinned ?? site.master;
    const isLate = random.chance(this.#sum('late'));
    const there = this.#delayMs() + (isLate ? random.between(500, 8_000) : 0);
    const inTime = there < CALL_TIMEOUT_MS;
    if (!inTime) giveUp();
    timeline.after(there, () => {
      // What is on its way arrives, even if the connection broke meanwhile.
      const result = server.alive ? execute(server) : null;
      if (server.alive && random.chance(this.#sum('runTwice'))) {
        timeline.after(random.between(0, 2_000), () => server.alive && execute(server));
      }
      if (!inTime) return;
      const isLost = !server.alive || random.chance(this.#sum('loseReplies'));
      const backMs = timeline.nowMs + this.#delayMs();
      if (isLost || backMs >= giveUpMs) giveUp();
      else timeline.at(backMs, () => onReply(result));
    });
  }

  #sum(what: keyof Weather): number {
    return this.weather[what] + this.#options.everywhere[what];
  }

  #delayMs(): number {
    const { random } = this.#options;
    const slow = this.#sum('slowMs');
    return this.#latencyMs * random.between(0.5, 1.5) + (slow > 0 ? random.between(0, slow) : 0);
  }
}
