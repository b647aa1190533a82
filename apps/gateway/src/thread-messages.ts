/**
 * What passes between the packet thread and the main thread. The packet thread blocks in poll(2),
 * so whoever posts to it wakes it too.
 */
import type { ClusterConfig } from '@flowstore/flow';
import type {
  Envelope,
  GatewayLimits,
  GoingBy,
  OutageState,
  PeerMessage,
  Policies,
  StoreCall,
  StoreReply,
} from '@flowstore/gateway-core';

export interface ThreadOptions {
  readonly devices: {
    readonly inside: string;
    readonly outside: string;
    readonly domains: readonly { readonly domain: number; readonly inside: string }[];
  };
  readonly cluster: ClusterConfig;
  readonly limits: GatewayLimits;
  readonly policies: Policies;
  readonly incarnation: string;
}

export type ToThread =
  | { readonly kind: 'reply'; readonly reply: StoreReply }
  /** How many gateways there are, this one included. */
  | { readonly kind: 'gateways'; readonly count: number }
  /** The other members by name; null where they can't be asked. */
  | { readonly kind: 'peers'; readonly names: readonly string[] | null }
  | { readonly kind: 'peerMessage'; readonly from: string; readonly message: PeerMessage }
  /** Answered by `goesBy`, once all flows are reported by it. */
  | { readonly kind: 'goBy'; readonly to: GoingBy }
  /** Report what the store should still hear, give the ports back, then say `finished`. */
  | { readonly kind: 'finish' }
  /** Answered by `snapshot`. */
  | { readonly kind: 'inspect' };

export type FromThread =
  | { readonly kind: 'started'; readonly wakeFd: number }
  | { readonly kind: 'calls'; readonly calls: readonly StoreCall[] }
  | { readonly kind: 'peerMessages'; readonly messages: readonly Envelope[] }
  /** Whether the store is away, and for whom, became something else. */
  | { readonly kind: 'outage'; readonly state: OutageState }
  /** What it was told last is gone by. */
  | { readonly kind: 'goesBy' }
  | { readonly kind: 'finished' }
  /** The table went over its high-water mark: once per crossing. */
  | { readonly kind: 'highWater'; readonly flows: number }
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot };

/** Every counter and gauge of the packet thread, by the part that has it. */
export interface Snapshot {
  readonly core: Readonly<Record<string, number>>;
  /** Malformed packets by reason. */
  readonly malformed: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
  readonly loop: Readonly<Record<string, number>>;
  readonly inside: Readonly<Record<string, number>>;
  readonly outside: Readonly<Record<string, number>>;
  readonly nextHops: Readonly<Record<string, number>>;
  /** Whether the packets of both sides have somewhere to go. */
  readonly routesReady: boolean;
}
