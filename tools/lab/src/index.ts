// The lab as a library, for the demo, the tests and whoever breaks things on purpose.
export type { UpOptions } from './bring-up.ts';
export { deepMerge, type LabConfig, readConfig, type Tree } from './config.ts';
export { LabError, type LabErrorCode } from './errors.ts';
export { ip, ipBatch } from './ip.ts';
export { type ExecResult, Lab, type LabOptions, type StartOptions } from './lab.ts';
export { type GatewayLink, gatewayLinks } from './links.ts';
export {
  clientAddresses,
  clientPrefix,
  gatewaysDefault,
  gatewaysMax,
  poolPrefix,
  serverAddresses,
} from './plan.ts';
export { parsePrometheus, sumOf } from './prometheus.ts';
export { checkRequirements } from './requirements.ts';
export type { FlowTuple } from './routes.ts';
export type {
  GatewayStateName,
  GatewayStatus,
  LabStatus,
  ReaperStatus,
  ServerStatus,
  StoreStateName,
  StoreStatus,
} from './status.ts';
export type { ServerChange, StoreAction } from './store-control.ts';
export { type StoreKind, storeKinds } from './store-plan.ts';
export { Traffic, type TrafficEvent, type TrafficProgram } from './traffic.ts';
export { waitFor } from './wait.ts';
