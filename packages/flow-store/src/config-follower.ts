/**
 * Follows what the deployment goes by, for a process that runs: takes up what is published, says
 * so, and goes by it alone once it holds. Pure: told the terms, it tells what to do.
 *
 * ```
 *   terms: next N --> go by both --> done: stance "goes by both" --> terms: N holds --> go by N
 *                \--> can't: stance with the problems, goes on by what it has
 * ```
 */
import { type ClusterConfig, canonicalConfig } from '@flowstore/flow';
import { fixedProblems } from './config-change.ts';
import type { Stance, Terms } from './deployment.ts';

/** A configuration's text, read and checked; or a line per problem. */
export type ReadConfig = (
  text: string,
) => { readonly config: ClusterConfig } | { readonly problems: readonly string[] };

export type Followed =
  | { readonly kind: 'asBefore' }
  /** What is to be gone by from now on: `done` is to be called once it is. What is published is
   * not among it where it can't be gone by: see `problems`. */
  | { readonly kind: 'goBy'; readonly holds: ClusterConfig; readonly next: ClusterConfig | null }
  /** What holds can't be gone by: it goes on by what it has. */
  | { readonly kind: 'lost'; readonly problems: readonly string[] };

export class ConfigFollower {
  readonly #read: ReadConfig;
  #holds: ClusterConfig;
  #next: ClusterConfig | null = null;
  /** As the terms said last, whether or not they can be gone by. */
  #heard: { readonly holds: string; readonly next: string | null };
  #problems: readonly string[] = [];
  #isDone = true;

  /** @param holds what this process was started with: it holds, or is next */
  constructor(holds: ClusterConfig, read: ReadConfig) {
    this.#read = read;
    this.#holds = holds;
    this.#heard = { holds: canonicalConfig(holds), next: null };
  }

  get holds(): ClusterConfig {
    return this.#holds;
  }

  get next(): ClusterConfig | null {
    return this.#next;
  }

  /** Why it can't go by what is published, or by what holds. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** To be said in heartbeats; null: there is nothing to say yet. */
  get stance(): Stance | null {
    const { next } = this.#heard;
    if (next === null) return null;
    if (this.#problems.length > 0) return { next, problems: this.#problems };
    return this.#isDone ? { next, problems: [] } : null;
  }

  hear({ holds, next }: Terms): Followed {
    if (holds === this.#heard.holds && next === this.#heard.next) return { kind: 'asBefore' };
    this.#heard = { holds, next };
    const held = this.#judge(holds);
    if ('problems' in held) {
      this.#problems = held.problems;
      return { kind: 'lost', problems: held.problems };
    }
    this.#holds = held.config;
    const wanted = next === null ? { config: null } : this.#judge(next);
    this.#problems = 'problems' in wanted ? wanted.problems : [];
    this.#next = 'problems' in wanted ? null : wanted.config;
    this.#isDone = false;
    return { kind: 'goBy', holds: this.#holds, next: this.#next };
  }

  /** What `hear` told last is gone by. */
  done(): void {
    this.#isDone = true;
  }

  /** Versions, and how much longer flows may live, are the publisher's to mind. */
  #judge(text: string): ReturnType<ReadConfig> {
    if (text === canonicalConfig(this.#holds)) return { config: this.#holds };
    const read = this.#read(text);
    if ('problems' in read) return read;
    const problems = fixedProblems(this.#holds, read.config);
    return problems.length === 0 ? read : { problems };
  }
}
