/**
 * The contract of the flow store: what a gateway and a reaper may ask, and every answer they must
 * handle. Redis (redis/) and the in-memory model (model/) both keep it, and one conformance suite
 * holds both to it.
 *
 * All operations are batched and idempotent: a call may run twice, or late. Results come in the
 * order of the requests. Times go in as ages (ms since something was seen, computed at the moment
 * of sending) and come out as remaining lifetimes: no gateway's clock ever reaches the store.
 *
 * A call rejects with StoreUnavailable when no answer came in time; whether it took effect is then
 * unknown, and asking again with the same nonce is safe. Where a part of the store is away (a
 * master of a cluster), the results of its requests alone are null, which says the same of them.
 *
 * What a gateway goes on by (lease, renew, feed, initialise, publish, deployment, join, heartbeat)
 * is answered only once `minReplicas` replicas have what was written; else it got no answer, though
 * it may have taken effect. So a master that was replaced, and can still be reached, answers none.
 */
import type {
  ClusterConfig,
  Endpoint,
  Identity,
  IpAddress,
  PortBlock,
  SocketAddress,
  Subscriber,
} from '@flowstore/flow';
import type {
  DeploymentState,
  HeartbeatResult,
  JoinResult,
  MemberInfo,
  PublishResult,
  Stance,
} from './deployment.ts';
import type { FragmentRequest, FragmentResult } from './fragments.ts';

export * from './deployment.ts';
export * from './fragments.ts';

/** What a gateway saw of a flow and has not reported yet. */
export interface Sighting {
  /** OUT_SYN, IN_DATA...: see @flowstore/flow state.ts. */
  readonly flags: number;
  /** ms since the last packet that refreshes the flow; null: none was seen. */
  readonly ageMs: number | null;
  /** ms since the last RST; null: none was seen. */
  readonly rstAgeMs: number | null;
}

/** A flow, or for UDP and ICMP queries the state of the whole binding, as the store has it. */
export interface StoredFlow {
  readonly identity: Identity;
  readonly flags: number;
  /** Whether an RST is the last thing seen (tcpPhase would say Closing for it). */
  readonly reset: boolean;
  /** ms until the store may end it: timeout and slack included. Above 0. */
  readonly lifeMs: number;
}

export interface StoredEntry {
  readonly inside: Endpoint;
  readonly outside: SocketAddress;
  /** The binding's own identity. For TCP its lifeMs is that of `flow` where there is one (the
   * binding lives at least as long), else the longest of its flows'. */
  readonly binding: StoredFlow;
  /** The flow with the remote endpoint that was asked for; null where there is none (yet). */
  readonly flow: StoredFlow | null;
}

export interface OpenRequest {
  readonly inside: Endpoint;
  /** The peer, for TCP; null for UDP and ICMP queries, whose binding serves every peer. */
  readonly remote: SocketAddress | null;
  /** The outside endpoint for a new binding, from a block leased by `incarnation`, or any of an
   * address (ANY_PORT); null where only a flow is to be added to a binding that exists. Ignored
   * when one exists. */
  readonly proposal: SocketAddress | null;
  /** Blocks of the address of which the store is not to choose a port: somebody has ports of them
   * by configuration. */
  readonly reserved?: readonly number[];
  /** 16 hexadecimal digits: this run of this gateway. */
  readonly incarnation: string;
  /** Chosen at random per opening, kept across retries. */
  readonly nonce: number;
  readonly seen: Sighting;
  /** The closing flow whose next incarnation this is (a new SYN); null normally. Where the stored
   * flow is another one by now the answer is `exists`. */
  readonly replaces: Identity | null;
}

export type OpenResult =
  /** This request's flow (or binding) is stored, now or by an earlier run of the same call, into
   * which what was seen since was merged. The outside endpoint is entry.outside, not necessarily
   * the proposal. */
  | { readonly kind: 'created'; readonly entry: StoredEntry }
  /** Somebody else's is: its identity and outside endpoint are in the entry. The request's
   * sighting was merged into it. */
  | { readonly kind: 'exists'; readonly entry: StoredEntry }
  /** The proposed port is held, or in quarantine for another inside endpoint. */
  | { readonly kind: 'portTaken' }
  /** The inside endpoint has flowsPerEndpointMax live flows. */
  | { readonly kind: 'limit' }
  /** The block of the proposal is not (or no longer) leased by this incarnation. */
  | { readonly kind: 'leaseLost' }
  /** No proposal was given and there is no binding; or ANY_PORT was, and nothing is granted now. */
  | { readonly kind: 'noBinding' }
  /** ANY_PORT was proposed, and every port that nobody leases is bound or in quarantine. */
  | { readonly kind: 'exhausted' };

/** A `remote` of TCP whose port is 0 stands for any of the address's flows: the answer has the one
 * of them that lives longest. */
export type FindRequest =
  | {
      readonly direction: 'inside';
      readonly inside: Endpoint;
      readonly remote: SocketAddress | null;
    }
  | {
      readonly direction: 'outside';
      readonly protocol: number;
      readonly outside: SocketAddress;
      readonly remote: SocketAddress | null;
    };

export type FindResult =
  /** A live binding; entry.flow is null where the remote endpoint has no live flow. */
  | { readonly kind: 'entry'; readonly entry: StoredEntry }
  | { readonly kind: 'no' }
  /** The flow (or binding) is not stored, but the shard is in grace: whoever holds it may not have
   * said so yet. */
  | { readonly kind: 'notYet' };

/** A flow that the store listed, with the remote endpoint that it was opened to: null where the
 * binding serves every peer. */
export interface ListedFlow {
  readonly remote: SocketAddress | null;
  /** As `find` answers it for that remote endpoint. */
  readonly entry: StoredEntry;
}

/** Live bindings on the block's ports; of one that has flows per remote endpoint one flow at most.
 * What is not listed may be stored all the same: this answers no `no`. */
export type ListResult = { readonly kind: 'flows'; readonly flows: readonly ListedFlow[] };

export interface TouchRequest {
  readonly inside: Endpoint;
  /** What it is bound to, as far as the caller knows: there the store looks. */
  readonly outside: SocketAddress;
  readonly remote: SocketAddress | null;
  readonly identity: Identity;
  readonly seen: Sighting;
}

export type TouchResult =
  /** Merged: `flow` is the state after it. */
  | { readonly kind: 'merged'; readonly flow: StoredFlow }
  /** Another identity is stored under this key; nothing was changed. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'gone' };

export interface CloseRequest {
  readonly inside: Endpoint;
  /** null: the whole binding; for TCP with all of its flows, `identity` being the binding's. */
  readonly remote: SocketAddress | null;
  readonly identity: Identity;
  /** idle: only if its deadline passed; cancel: somebody ended it. */
  readonly reason: 'idle' | 'cancel';
}

export type CloseResult =
  /** Deleted; the outside port went into quarantine if this was the binding's last flow. */
  | { readonly kind: 'closed' }
  /** Not idle after all (reason idle): others saw it. */
  | { readonly kind: 'alive'; readonly flow: StoredFlow }
  /** Its deadline passed (reason idle), but the shard is in grace: others may not have said yet
   * what they saw. A sweep will see to it. */
  | { readonly kind: 'notYet' }
  | { readonly kind: 'stale' }
  | { readonly kind: 'gone' };

export interface SweepResult {
  /** What it cost: flows, marks, and blocks that had neither. */
  readonly looks: number;
  /** Blocks looked at. */
  readonly blocks: number;
  readonly flowsDeleted: number;
  readonly bindingsDeleted: number;
  /** Rows without an entry that got a quarantine mark. */
  readonly rowsOrphaned: number;
  /** Quarantine marks whose time was over. */
  readonly portsFreed: number;
  /** Leases whose time was over. */
  readonly leasesExpired: number;
  /** Nothing was swept: the shard is in grace, or gateways go by a later configuration. */
  readonly inGrace: boolean;
  /** How far behind the sweep is: ms since the oldest due deadline, 0 if nothing is due. */
  readonly overdueMs: number;
  /** Whether the shard's subscribers were counted anew: 1 or 0. */
  readonly recounts: number;
  /** ms until the next deadline of the shard, null if its index is empty. 0: call again. */
  readonly nextDueMs: number | null;
  /** How long the call held the store's server, by its own clock; null where that is not known. */
  readonly heldMs: number | null;
}

export interface LeaseRequest {
  readonly shard: number;
  readonly protocol: number;
  /** The outside address. */
  readonly address: IpAddress;
  readonly incarnation: string;
  readonly blocks: number;
  /** 32 random bits: where the search for a free block begins (RFC 6056). */
  readonly start: number;
  /** Blocks of the address that are not to be granted. */
  readonly reserved?: readonly number[];
}

export interface LeasedBlock extends PortBlock {
  /** Bit i: port firstPortOfBlock(block) + i is free: no row, no quarantine. */
  readonly freePorts: number;
  readonly lifeMs: number;
}

export type LeaseResult =
  /** At least one and at most the blocks asked for; a block that this incarnation holds already
   * is not granted again. */
  | { readonly kind: 'granted'; readonly blocks: readonly LeasedBlock[] }
  /** No block of the shard is free for this protocol and address. */
  | { readonly kind: 'exhausted' }
  /** The shard is in grace, or its grace began less than a quarantine ago: nothing is granted. */
  | { readonly kind: 'notYet' };

export interface LeaseRef extends PortBlock {
  readonly incarnation: string;
}

export type RenewResult =
  /** In grace a lease that is not stored is restored. Unless `rowsAreSure`, `freePorts` may name
   * ports whose rows were lost: only those are free that the holder, too, believed free. */
  | { readonly kind: 'renewed'; readonly block: LeasedBlock; readonly rowsAreSure: boolean }
  | { readonly kind: 'leaseLost' };

export type ReleaseResult = { readonly kind: 'released' } | { readonly kind: 'leaseLost' };

/**
 * How far a gateway has heard a shard's feed. Opaque: compare it with nothing, hand it back.
 *
 * The tag was drawn when the event was written, so an event of the same id in another life of the
 * feed (a restarted server, a failover that lost writes, another server behind the address) is not
 * mistaken for it.
 */
export interface FeedTail {
  readonly id: string;
  readonly tag: number;
  /** The shard's last grace, over or not: 0 where there was none. */
  readonly grace: number;
}

/** Events are about outside endpoints, and blocks of them, because that is what may not belong to
 * two (I1, I2). */
export type FeedEvent =
  /** Nothing cached for the outside endpoint (and the remote endpoint, if one is named) of a
   * generation below this one may be used any more: the binding was opened anew, or removed. */
  | {
      readonly kind: 'void';
      readonly protocol: number;
      readonly outside: SocketAddress;
      readonly remote: SocketAddress | null;
      readonly below: number;
    }
  /** The flow went over to its closing phase: whoever still sees data of it should say so soon,
   * since the store now waits the short timeout. */
  | {
      readonly kind: 'closing';
      readonly protocol: number;
      readonly outside: SocketAddress;
      readonly remote: SocketAddress;
    }
  /** Who leases the block from now on, null for nobody: it was granted, restored in grace, given
   * back, or ran out. Renewals are not told. */
  | (PortBlock & { readonly kind: 'lease'; readonly holder: string | null });

export type Beginning = 'new' | 'again' | 'restored';

export interface FeedRequest {
  readonly shard: number;
  /** Who reads: a read is the gateway's heartbeat for the shard. */
  readonly incarnation: string;
  /** As the last answer said; null for the first read. */
  readonly last: FeedTail | null;
  /** 32 random bits: the tag of the feed's beginning, if this read is what begins it. */
  readonly nonce: number;
}

export type FeedResult =
  /** All that happened after `last`, up to `tail`, or the first feedEventsMax of it: then `more`
   * says to read on. Once there is no more, whatever was confirmed since the first read is as fresh
   * as this call. */
  | {
      readonly kind: 'events';
      readonly events: readonly FeedEvent[];
      readonly tail: FeedTail;
      readonly more: boolean;
      readonly inGrace: boolean;
    }
  /** The feed does not have `last` (or none was given): it was trimmed, or is another feed; or the
   * shard went into grace since, and may have lost what no event is about. What is cached may be
   * stale, and has to be confirmed entry by entry. */
  | { readonly kind: 'gap'; readonly tail: FeedTail; readonly inGrace: boolean };

export interface ReassertRequest {
  readonly inside: Endpoint;
  readonly remote: SocketAddress | null;
  readonly outside: SocketAddress;
  /** Of the flow (TCP) or the binding, as the holder knew it. */
  readonly identity: Identity;
  readonly seen: Sighting;
  /** Of TCP: another binding of the inside endpoint, as it was answered (`exists`), to be replaced
   * if it was opened in this grace, and a connection lives on the asserted one. Left out: none. */
  readonly replaces?: Identity | null;
}

export type ReassertResult =
  /** Stored under its old identity, now or still. */
  | { readonly kind: 'restored'; readonly flow: StoredFlow }
  /** The inside endpoint has another binding, or the peer a later flow: the stored one wins. */
  | { readonly kind: 'exists'; readonly entry: StoredEntry }
  /** The outside endpoint is somebody else's, or the shard is not in grace any more. */
  | { readonly kind: 'tooLate' };

export interface CountRequest {
  readonly shard: number;
  readonly subscriber: Subscriber;
}

/** How many outside ports of the shard are bound to the subscriber; always 0 where the deployment
 * has no limit on them. The dead count until a sweep was there. */
export type CountResult = { readonly kind: 'counted'; readonly bindings: number };

export interface FlowStore {
  open(requests: readonly OpenRequest[]): Promise<(OpenResult | null)[]>;
  find(requests: readonly FindRequest[]): Promise<(FindResult | null)[]>;
  /** Tells what is bound on blocks of outside ports: what one gateway held, for the most part. */
  list(requests: readonly PortBlock[]): Promise<(ListResult | null)[]>;
  /** Tells how a fragmented datagram is translated, or asks. */
  fragment(requests: readonly FragmentRequest[]): Promise<(FragmentResult | null)[]>;
  touch(requests: readonly TouchRequest[]): Promise<(TouchResult | null)[]>;
  close(requests: readonly CloseRequest[]): Promise<(CloseResult | null)[]>;
  /** Looks at what may be over in the shard, the longest overdue first, until it took `looksMax`
   * looks: as long as that holds the store. It ends with a port; each of its flows is a look. */
  sweep(shard: number, looksMax: number): Promise<SweepResult>;
  lease(requests: readonly LeaseRequest[]): Promise<(LeaseResult | null)[]>;
  renew(requests: readonly LeaseRef[]): Promise<(RenewResult | null)[]>;
  release(requests: readonly LeaseRef[]): Promise<(ReleaseResult | null)[]>;
  feed(requests: readonly FeedRequest[]): Promise<(FeedResult | null)[]>;
  /** Puts back what a holder knows and the store has lost; in grace only. */
  reassert(requests: readonly ReassertRequest[]): Promise<(ReassertResult | null)[]>;
  /** One subscriber's share of one shard: its bindings are the sum over all shards. */
  count(requests: readonly CountRequest[]): Promise<(CountResult | null)[]>;
  /** Writes the cluster configuration, and what is next where this client goes by it; false where
   * one is stored already. The shards of a new deployment are marked fresh; one that is restored
   * after a loss of data is in grace. `again`: it is new, and an attempt that got no answer may
   * have written the configuration already. */
  initialise(deployment: Beginning): Promise<boolean>;
  /** Makes `config` the deployment's next: it holds once every live member goes by both. */
  publish(): Promise<PublishResult>;
  /** What the deployment goes by, and what its members say of what is published. */
  deployment(): Promise<DeploymentState>;
  /** `config` must be what holds, or what is next. */
  join(member: MemberInfo): Promise<JoinResult>;
  /** `stance`: of what is published, as far as it was heard of. */
  heartbeat(member: MemberInfo, stance?: Stance | null): Promise<HeartbeatResult>;
  leave(member: MemberInfo): Promise<void>;
  /** From now on goes by these: what holds, what is published, the layout that is written. */
  goBy(holds: ClusterConfig, next: ClusterConfig | null, layout: number): void;
  /** What calls go by: what holds, or while it changes both (config-change.ts). */
  readonly config: ClusterConfig;
  end(): Promise<void>;
}

/** How long events are kept: a gateway that was silent for longer has no fresh entry left. */
export function feedKeepMs(config: ClusterConfig): number {
  return 2 * config.cacheLeaseMs;
}

/** Batches of events that one read answers at most; every script call writes one batch. */
export const FEED_BATCHES_MAX = 64;

/** No answer in time, or no connection. `code` is stable. */
export class StoreUnavailable extends Error {
  readonly code = 'FLOWSTORE_STORE_UNAVAILABLE';
}
