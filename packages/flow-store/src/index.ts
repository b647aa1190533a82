export { goingByBoth, shorterTimeouts } from './config-change.ts';
export { differingFields } from './config-difference.ts';
export * from './config-follower.ts';
export * from './contract.ts';
export {
  AUDIT_FINDINGS,
  type AuditFinding,
  type AuditFindingKind,
  type AuditStep,
} from './redis/audit.ts';
export {
  CALL_TIMEOUT_MS,
  CONNECT_TIMEOUT_MS,
  type ConnectOptions,
  connectRedisStore,
  IN_FLIGHT_MAX,
  ReplicationRequired,
} from './redis/connect.ts';
export { RedisFlowStore, type RedisStoreStats } from './redis/redis-store.ts';
export type { Release } from './redis/release.ts';
export { untilReady } from './redis/until-ready.ts';
