// The lab as a library, for the demo, the tests and whoever breaks things on purpose.
export type { UpOptions } from './bring-up.ts';
export { deepMerge, type LabConfig, readConfig } from './config.ts';
export { LabError, type LabErrorCode } from './errors.ts';
export { type ExecResult, Lab, type LabOptions } from './lab.ts';
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
  StoreStateName,
  StoreStatus,
} from './status.ts';
export type { StoreAction } from './store-control.ts';
export { Traffic, type TrafficEvent, type TrafficProgram } from './traffic.ts';
export { waitFor } from './wait.ts';
