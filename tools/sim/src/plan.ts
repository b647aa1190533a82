/**
 * What a seed stands for: the deployment, its traffic, and the schedule of its faults. Everything
 * is drawn here, before the world begins, so that a schedule can be shrunk and run again.
 */
import { brokenRelations, CLUSTER_DEFAULTS, type ClusterConfig, SHARDS } from '@flowstore/flow';
import { DEFAULT_LIMITS, type GatewayLimits } from '@flowstore/gateway-core';
import { drawMore, drawSchedule, type FaultEvent } from './faults/schedule.ts';
import { Random } from './random.ts';

export interface Traffic {
  /** Mean time between two new conversations. */
  readonly everyMs: number;
  readonly insideHosts: number;
  readonly remoteHosts: number;
  /** Inside endpoints are from so many shards: the fewer, the more often ports meet again. */
  readonly shards: number;
  /** Shares of the conversations; the rest is TCP. */
  readonly udpShare: number;
  readonly icmpShare: number;
  /** How often a new conversation begins at an inside endpoint that was used before. */
  readonly reuseShare: number;
  /** Of TCP conversations: how many begin at a port that the host uses towards somebody else. */
  readonly sharedPortShare: number;
  readonly messagesMax: number;
  /** How often a conversation idles for about a timeout. */
  readonly edgeShare: number;
}

export interface Plan {
  readonly seed: number;
  readonly gateways: number;
  readonly config: ClusterConfig;
  readonly limits: GatewayLimits;
  /** Whether the limits are so low that packets of running flows may be dropped. */
  readonly tight: boolean;
  readonly traffic: Traffic;
  readonly workloadMs: number;
  /** After the workload: every flow, lease and port has to be free again by its end. */
  readonly drainMs: number;
  readonly sweepEveryMs: number;
  readonly tickMs: number;
  readonly faults: readonly FaultEvent[];
}

export interface PlanOptions {
  readonly hours?: number | undefined;
  readonly gateways?: number | undefined;
  /** New conversations per second: a big run. */
  readonly rate?: number | undefined;
  /** A kind of fault that happens a few times more, enabled or not. */
  readonly fault?: string | undefined;
  /** A broken variant, whose bad days these shall be. */
  readonly mutant?: { readonly badDays?: BadDays } | undefined;
}

/** What makes a day of a kind more likely: kinds of faults that happen more often, and traffic. */
export interface BadDays {
  readonly faults?: readonly string[];
  readonly traffic?: Partial<Traffic>;
}

export const POOL = '203.0.113.0/31';
export const INSIDE_PREFIX = '198.18.0.0/16';
const HOUR_MS = 3_600_000;
/** By so much timeouts may grow while the day goes on. */
export const TIMEOUTS_GROW_MAX = 2;
/** What is stored here has no TTL that growth could outlive. */
const TTL_MARGIN_MS = 6 * HOUR_MS;
const INSIDE_HOSTS_MAX = 8_192;
/** More than a day needs, and more than a big one does: each life of a gateway makes its table. */
const FLOWS_MAX = 4_096;
const BIG_FLOWS_MAX = 65_536;

export function drawPlan(seed: number, options: PlanOptions = {}): Plan {
  const { hours, gateways = 3, rate, fault, mutant } = options;
  const random = new Random(seed, 'plan');
  // Most worlds live fast: the same relations, whole lives of flows within minutes.
  const pace = random.pick([1, 4, 6, 8, 8, 12]);
  const minReplicas = random.fork('replicas').pick([0, 1]);
  const subscribers = drawSubscribers(random.fork('subscribers'));
  const config = { ...drawConfig(random, pace), minReplicas, ...subscribers };
  const broken = brokenRelations(config);
  if (broken.length > 0) throw new Error(`seed ${seed}: ${broken[0]}`);
  const tight = random.chance(0.08);
  const workloadMs = hours === undefined ? drawWorkloadMs(random, pace) : hours * HOUR_MS;
  const space = { workloadMs, config };
  const kinds = [...(fault === undefined ? [] : [fault]), ...(mutant?.badDays?.faults ?? [])];
  return {
    seed,
    gateways,
    config,
    limits: drawLimits(random, tight, rate === undefined ? FLOWS_MAX : BIG_FLOWS_MAX),
    tight,
    traffic: { ...drawTraffic(random, pace), ...mutant?.badDays?.traffic, ...trafficOf(rate) },
    workloadMs,
    drainMs: drainMsOf(config),
    sweepEveryMs: Math.round(random.between(4_000, 15_000) / Math.sqrt(pace)),
    tickMs: random.pick([100, 250, 500]),
    faults: [
      ...drawSchedule(random.fork('faults'), space),
      ...drawMore(random.fork('more'), kinds, space),
    ],
  };
}

function drawConfig(random: Random, pace: number): ClusterConfig {
  const ms = (value: number) => Math.round(value / pace);
  const { timeouts, slack } = CLUSTER_DEFAULTS;
  const tcpTransitoryMs = ms(timeouts.tcpTransitoryMs);
  const established =
    pace === 1 ? timeouts.tcpEstablishedMs : tcpTransitoryMs * random.pick([3, 6]);
  return {
    ...CLUSTER_DEFAULTS,
    pool: [POOL],
    insidePrefixes: [INSIDE_PREFIX],
    timeouts: {
      tcpEstablishedMs: established,
      tcpTransitoryMs,
      tcpClosingMs: tcpTransitoryMs,
      udpMs: ms(timeouts.udpMs),
      icmpMs: ms(timeouts.icmpMs),
    },
    slack: { outageMs: ms(slack.outageMs), clockSkewMs: ms(slack.clockSkewMs) },
    cacheLeaseMs: ms(CLUSTER_DEFAULTS.cacheLeaseMs),
    leaseMs: ms(CLUSTER_DEFAULTS.leaseMs),
    quarantineMs: ms(CLUSTER_DEFAULTS.quarantineMs),
    heartbeatMs: Math.floor(ms(CLUSTER_DEFAULTS.cacheLeaseMs) / random.pick([6, 8, 12])),
    flowsPerEndpointMax: 64,
    ttlMarginMs: TTL_MARGIN_MS,
  };
}

function drawLimits(random: Random, tight: boolean, flowsMax: number): GatewayLimits {
  // Ticks are rarer than a gateway's, and the lists shorter.
  const few = {
    endpointsPerTickMax: 4,
    bindingsPerCountMax: 4,
    ...drawScarcity(random.fork('scarce')),
  };
  const limits = { ...DEFAULT_LIMITS, flowsMax, ...few };
  if (!tight) return { ...limits, requestsPerCallMax: random.pick([1, 4, 16, 512]) };
  return {
    ...limits,
    flowsMax: 48,
    questionsMax: 8,
    heldPerQuestionMax: 2,
    heldBytesMax: 4_096,
    requestsPerCallMax: 2,
    callsInFlightMax: 1,
    requestsWaitingMax: 16,
    blocksMax: 6,
  };
}

/** Here and there a subscriber may not open as much as it would. */
function drawSubscribers(random: Random): Partial<ClusterConfig> {
  if (!random.chance(0.15)) return {};
  return {
    bindingsPerSubscriberMax: random.pick([8, 24, 48]),
    newBindingsPerSubscriberPerSMax: random.pick([0, 0, 2]),
  };
}

/** Here and there blocks are scarce: the store chooses single ports. */
function drawScarcity(random: Random): Partial<GatewayLimits> {
  return random.chance(0.1) ? { blocksMax: random.pick([1, 4]) } : {};
}

function drawTraffic(random: Random, pace: number): Traffic {
  return {
    everyMs: random.between(250, 1_200) * (pace === 1 ? 4 : 1),
    insideHosts: random.pick([2, 8, 24]),
    remoteHosts: random.pick([1, 4, 12]),
    shards: random.pick([1, 2, 4, 16]),
    udpShare: random.between(0.15, 0.5),
    icmpShare: random.between(0.02, 0.15),
    reuseShare: random.between(0.05, 0.6),
    sharedPortShare: random.between(0, 0.2),
    messagesMax: random.pick([4, 12, 40]),
    edgeShare: random.between(0.02, 0.12),
  };
}

/** Enough hosts, and ports in every shard, for tens of thousands of flows at once. */
function trafficOf(rate: number | undefined): Partial<Traffic> {
  if (rate === undefined) return {};
  const insideHosts = Math.min(INSIDE_HOSTS_MAX, Math.ceil(24 + rate * 10));
  return { everyMs: 1_000 / rate, insideHosts, shards: SHARDS };
}

function drawWorkloadMs(random: Random, pace: number): number {
  return pace === 1 ? random.between(20, 50) * 60_000 : random.between(3, 9) * 60_000;
}

/** All that may still be held when the last packet was seen, one after the other (I5). */
function drainMsOf({ timeouts, slack, leaseMs, quarantineMs, cacheLeaseMs }: ClusterConfig) {
  const timeout = Math.max(...Object.values(timeouts)) * TIMEOUTS_GROW_MAX;
  const flow = timeout + timeout / 3 + slack.outageMs + slack.clockSkewMs;
  return flow + 4 * leaseMs + 2 * quarantineMs + 2 * slack.clockSkewMs + cacheLeaseMs + 60_000;
}
