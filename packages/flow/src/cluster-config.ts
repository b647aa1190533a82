/**
 * What all gateways and reapers of one deployment must agree on. Its hash lives in the store, and
 * a gateway whose own differs may not join. What only concerns one process is in that app.
 */
import type { FilteringByProtocol } from './filtering.ts';
import type { InsideDomain, InsidePool, NoNat, OneToOne, PortForward } from './rules.ts';
import type { Slack, Timeouts } from './timeouts.ts';

export interface ClusterConfig {
  /** Grows with each change. */
  readonly version: number;
  /** Outside addresses, as prefixes ("203.0.113.0/28") or ranges ("203.0.113.4-203.0.113.9"),
   * every address of them used: for whoever has no pool of `pools`. */
  readonly pool: readonly string[];
  /** Whom the NAT serves in domain 0: packets from other inside addresses are dropped. */
  readonly insidePrefixes: readonly string[];
  /** What is translated by rule, or not at all, and where outside addresses come from: rules.ts. */
  readonly portForwards: readonly PortForward[];
  readonly oneToOne: readonly OneToOne[];
  readonly noNat: readonly NoNat[];
  readonly pools: readonly InsidePool[];
  readonly domains: readonly InsideDomain[];
  readonly timeouts: Timeouts;
  /** Says that timeouts below what the RFCs ask for are meant. */
  readonly allowBelowRfcFloors: boolean;
  readonly slack: Slack;
  /** Whom from outside a binding lets in (RFC 4787 REQ-8, RFC 5382 REQ-3). */
  readonly filtering: FilteringByProtocol;
  /**
   * Whether packets from outside keep a mapping (RFC 4787 REQ-6, RFC 7857 section 7). For UDP and
   * ICMP queries they don't by default: whoever knows the outside endpoint could do so for ever.
   */
  readonly inboundRefresh: InboundRefresh;
  /** How long a cached entry may be used after it was last confirmed. */
  readonly cacheLeaseMs: number;
  /** How long a gateway holds its port blocks after the last renewal. */
  readonly leaseMs: number;
  /** How long a freed outside port is kept from other inside endpoints. */
  readonly quarantineMs: number;
  readonly heartbeatMs: number;
  /** By how much a key's TTL outlives its latest deadline: the backstop for an absent reaper. */
  readonly ttlMarginMs: number;
  /**
   * Replicas that must have a grant, a renewal or a heartbeat before it counts. Where a master can
   * be replaced: as many as it has, so that one that was replaced has too few left (ARCHITECTURE.md
   * says what fewer protect against). 0: there are none, and nothing is waited for.
   */
  readonly minReplicas: number;
  /** Whether an even port gets an even one, where that is to be had (RFC 4787 REQ-4). */
  readonly preservePortParity: boolean;
  /** Flows that one inside endpoint may hold at once. */
  readonly flowsPerEndpointMax: number;
  /**
   * Bindings that one subscriber (an inside address of a domain) may hold at once, and open per
   * second, over all gateways; 0: no limit (RFC 6888 REQ-4).
   */
  readonly bindingsPerSubscriberMax: number;
  readonly newBindingsPerSubscriberPerSMax: number;
}

export interface InboundRefresh {
  readonly tcp: boolean;
  readonly udp: boolean;
  readonly icmp: boolean;
}

export const CLUSTER_DEFAULTS: Omit<ClusterConfig, 'pool' | 'insidePrefixes'> = {
  version: 1,
  portForwards: [],
  oneToOne: [],
  noNat: [],
  pools: [],
  domains: [],
  timeouts: {
    tcpEstablishedMs: 7_440_000,
    tcpTransitoryMs: 240_000,
    tcpClosingMs: 240_000,
    udpMs: 300_000,
    icmpMs: 60_000,
  },
  allowBelowRfcFloors: false,
  slack: { outageMs: 90_000, clockSkewMs: 5_000 },
  filtering: { udp: 'endpoint-independent', tcp: 'endpoint-independent' },
  inboundRefresh: { tcp: true, udp: false, icmp: false },
  cacheLeaseMs: 60_000,
  leaseMs: 90_000,
  quarantineMs: 120_000,
  heartbeatMs: 5_000,
  ttlMarginMs: 600_000,
  minReplicas: 0,
  preservePortParity: true,
  flowsPerEndpointMax: 1_024,
  // What a subscriber is differs too much for one figure: a phone, or a node with a hundred pods
  // behind it. Paired pooling bounds one at the ports of an outside address in any case.
  bindingsPerSubscriberMax: 0,
  newBindingsPerSubscriberPerSMax: 0,
};

/**
 * The relations that the invariants rest on; returns one sentence per broken one, none when all
 * hold. A cached entry must be dead before its port can be somebody else's (I2), also where that is
 * kept from others by grace, which lasts a lease length; a lease must survive a few lost renewals.
 * That an outage is everybody's is known after four silent heartbeats (I7), the one before and the
 * one of the question not counted: by then what is cached must still be usable.
 */
export function brokenRelations(config: ClusterConfig): string[] {
  const { cacheLeaseMs, leaseMs, quarantineMs, heartbeatMs, slack } = config;
  const broken: string[] = [];
  const hold = (holds: boolean, sentence: string) => {
    if (!holds) broken.push(sentence);
  };
  hold(
    cacheLeaseMs + slack.clockSkewMs < quarantineMs,
    `cacheLeaseMs (${cacheLeaseMs}) plus slack.clockSkewMs (${slack.clockSkewMs}) must be below ` +
      `quarantineMs (${quarantineMs})`,
  );
  hold(
    6 * heartbeatMs <= cacheLeaseMs,
    `heartbeatMs (${heartbeatMs}) must be at most a sixth of cacheLeaseMs (${cacheLeaseMs})`,
  );
  hold(
    cacheLeaseMs + slack.clockSkewMs <= leaseMs,
    `cacheLeaseMs (${cacheLeaseMs}) plus slack.clockSkewMs (${slack.clockSkewMs}) must not ` +
      `exceed leaseMs (${leaseMs})`,
  );
  hold(
    leaseMs > slack.clockSkewMs + 3 * heartbeatMs,
    `leaseMs (${leaseMs}) must exceed slack.clockSkewMs (${slack.clockSkewMs}) plus three ` +
      `heartbeats (${3 * heartbeatMs})`,
  );
  return broken;
}

/** A shard that no gateway was heard in for so long goes into grace. */
export function silenceMs({ heartbeatMs }: Pick<ClusterConfig, 'heartbeatMs'>): number {
  return 3 * heartbeatMs;
}

/** One text for one configuration, whatever the order its keys were written in. */
export function canonicalConfig(config: ClusterConfig): string {
  return JSON.stringify(sortKeys(config));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]));
}
