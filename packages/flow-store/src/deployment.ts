/**
 * The deployment, as its directory in the store knows it: who takes part, which configuration
 * holds, which one shall take its place, and which layout of records is written.
 *
 * ```
 *             publish                every live member goes by both, and a silence is over
 *   holds: C ----------> holds: C, next: N ------------------------------------------> holds: N
 *                          |   ^
 *                          +---+  publish: another N
 * ```
 *
 * Between the two nobody goes by C alone while somebody goes by N alone: see config-change.ts for
 * what going by both means. Whoever was silent for a lease length is not waited for.
 */

export interface MemberInfo {
  readonly name: string;
  readonly incarnation: string;
  /** Where its HTTP control endpoint listens, "http://192.0.2.101:9464". */
  readonly controlUrl: string;
  /** Where it hears other gateways, "192.0.2.101:9465"; null where it does not. */
  readonly peerAddress: string | null;
}

/** What the deployment goes by. Configurations are canonical texts: a reader may be older. */
export interface Terms {
  readonly holds: string;
  /** What shall take its place. */
  readonly next: string | null;
  /** The layout in which records are written: what every live member reads. */
  readonly layout: number;
}

/** What a member says of a published configuration. */
export interface Stance {
  readonly next: string;
  /** Why it can't go by it; none: it goes by both from now on. */
  readonly problems: readonly string[];
}

export interface MemberStance {
  readonly name: string;
  /** silent: it did not say yet. Where nothing is published: silent. */
  readonly stance: 'goesByBoth' | 'silent' | 'refuses';
  readonly problems: readonly string[];
}

export type JoinResult =
  | { readonly kind: 'joined'; readonly members: readonly MemberInfo[]; readonly terms: Terms }
  /** The deployment runs with another configuration; `fields` names what differs. */
  | {
      readonly kind: 'configMismatch';
      readonly fields: readonly string[];
      readonly terms: Terms;
    }
  /** It can't read the layout that is written: theirs is more than one apart, or older. */
  | { readonly kind: 'layoutMismatch'; readonly written: number }
  /** No configuration is stored: the deployment was never initialised, or lost its data. */
  | { readonly kind: 'notInitialised' };

export type HeartbeatResult =
  | { readonly kind: 'alive'; readonly members: readonly MemberInfo[]; readonly terms: Terms }
  /** This incarnation is no longer a member (expired, or the name was taken over): join again. */
  | { readonly kind: 'unknown' };

/** What became of a configuration that shall take the place of the deployment's. */
export type PublishResult =
  /** It is the next one, now or since an earlier call. Another one that waited is forgotten. */
  | { readonly kind: 'published' }
  /** It is what the deployment runs with. */
  | { readonly kind: 'unchanged' }
  /** A line per field that may not change while gateways run, or not like this. */
  | { readonly kind: 'refused'; readonly problems: readonly string[] }
  /** Somebody else published in the meantime. */
  | { readonly kind: 'overtaken' }
  | { readonly kind: 'notInitialised' };

export type DeploymentState =
  | {
      readonly kind: 'running';
      readonly terms: Terms;
      /** Sorted by name. */
      readonly members: readonly MemberStance[];
      /** Soon another layout is written, which this one must be able to read; null: it is not. */
      readonly nextLayout: number | null;
    }
  | { readonly kind: 'notInitialised' };

/** A member's problems are cut at so many bytes. */
export const PROBLEM_BYTES_MAX = 1_024;

/** What a program of this layout reads: its own and the one before. */
export function readsLayout(own: number, written: number): boolean {
  return written === own || written === own - 1;
}
