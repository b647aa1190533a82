/**
 * The cluster's figures during a run. The defaults are what is promised; the short ones, about a
 * tenth, let a short run see leases, graces and quarantines end. At the end of a run what flows are
 * left gets short timeouts by publishing them.
 */
import { CLUSTER_DEFAULTS, type ClusterConfig } from '@flowstore/flow';

export type FigureSet = 'default' | 'short';
export type Figures = Pick<
  ClusterConfig,
  'cacheLeaseMs' | 'leaseMs' | 'quarantineMs' | 'heartbeatMs' | 'slack' | 'timeouts'
>;

const SHORT: Figures = {
  heartbeatMs: 1_000,
  cacheLeaseMs: 9_000,
  leaseMs: 10_000,
  quarantineMs: 12_000,
  slack: { outageMs: 9_000, clockSkewMs: 1_000 },
  timeouts: {
    tcpEstablishedMs: 7_440_000,
    tcpTransitoryMs: 20_000,
    tcpClosingMs: 20_000,
    udpMs: 20_000,
    icmpMs: 10_000,
  },
};

const LAST_TIMEOUT_MS = 4_000;
const LAST_OUTAGE_MS = 1_000;

/** What is published once the clients are gone, so that all they left ends soon. How far clocks may
 * differ can't change while gateways run. */
export function lastFigures({ slack }: Figures): Pick<Figures, 'timeouts' | 'slack'> {
  return {
    timeouts: {
      tcpEstablishedMs: LAST_TIMEOUT_MS,
      tcpTransitoryMs: LAST_TIMEOUT_MS,
      tcpClosingMs: LAST_TIMEOUT_MS,
      udpMs: LAST_TIMEOUT_MS,
      icmpMs: LAST_TIMEOUT_MS,
    },
    slack: { ...slack, outageMs: LAST_OUTAGE_MS },
  };
}

export function figuresOf(set: FigureSet): Figures {
  if (set === 'short') return SHORT;
  const { cacheLeaseMs, leaseMs, quarantineMs, heartbeatMs, slack, timeouts } = CLUSTER_DEFAULTS;
  return { cacheLeaseMs, leaseMs, quarantineMs, heartbeatMs, slack, timeouts };
}

/** From when a store that lost its data answers again until all is as ever (DESIGN 4, grace). */
export const graceMs = ({ leaseMs, heartbeatMs }: Figures): number => leaseMs + 2 * heartbeatMs;

/** How long after the last packet something of a flow may be left, with every gateway gone. */
export function allOverMs(figures: Figures): number {
  const { leaseMs, quarantineMs, heartbeatMs, slack } = figures;
  const life = LAST_TIMEOUT_MS + LAST_OUTAGE_MS + slack.clockSkewMs;
  const sweeps = 20_000;
  return life + 2 * leaseMs + quarantineMs + 3 * heartbeatMs + sweeps;
}
