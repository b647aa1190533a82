export { dump } from './dump.ts';
export type { Expiry, ExpiryContext } from './expiry.ts';
export { FlowColumns } from './flow-columns.ts';
export { PREFETCH_MAX } from './flow-index.ts';
export type {
  FlowFacts,
  FlowInput,
  FlowInput6,
  FlowTableCounters,
  PutResult,
} from './flow-input.ts';
export { FlowTable } from './flow-table.ts';
export type { Handle } from './handle.ts';
export type { Key6 } from './key-hash.ts';
export { NONE } from './none.ts';
export type { FlowTableOptions } from './options.ts';
export { CAPACITY_MAX, RESERVE_SHARE } from './options.ts';
export type { FlowKeys, FlowKeys6 } from './rows.ts';
export { type Direction, INBOUND, OUTBOUND, type Traffic } from './traffic.ts';
export {
  type Cancelled,
  cancelMatching,
  type FlowFilter,
  type FlowRow,
  type Snapshot,
  START,
  snapshot,
} from './visit.ts';
