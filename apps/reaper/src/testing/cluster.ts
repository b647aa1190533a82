/** For tests: a deployment whose UDP flows go stale at once and whose TCP connections do not. */
import { CLUSTER_DEFAULTS, type ClusterConfig } from '@flowstore/flow';

export const CLUSTER: ClusterConfig = {
  ...CLUSTER_DEFAULTS,
  pool: ['203.0.113.0/28'],
  insidePrefixes: ['198.18.0.0/16'],
  timeouts: { ...CLUSTER_DEFAULTS.timeouts, udpMs: 150 },
  slack: { outageMs: 0, clockSkewMs: 0 },
  heartbeatMs: 500,
  cacheLeaseMs: 3_000,
  quarantineMs: 3_100,
  leaseMs: 3_200,
};
