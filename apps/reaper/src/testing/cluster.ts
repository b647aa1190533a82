/** For tests: a deployment whose UDP flows go stale at once and whose TCP connections do not. */
import { CLUSTER_DEFAULTS, type ClusterConfig } from '@flowstore/flow';

export const CLUSTER: ClusterConfig = {
  ...CLUSTER_DEFAULTS,
  pool: ['203.0.113.0/28'],
  insidePrefixes: ['198.18.0.0/16'],
  allowBelowRfcFloors: true,
  timeouts: { ...CLUSTER_DEFAULTS.timeouts, udpMs: 150 },
  slack: { outageMs: 0, clockSkewMs: 0 },
  heartbeatMs: 500,
  cacheLeaseMs: 3_000,
  quarantineMs: 3_100,
  leaseMs: 3_200,
};

/** Of the tests' own calls: a busy machine may keep them waiting, which is not what is tested. */
export const CALL_TIMEOUT_MS = 10_000;
