export type { Expiry, ExpiryContext } from './expiry.ts';
export { FlowColumns } from './flow-columns.ts';
export type { FlowInput, FlowTableCounters, PutResult } from './flow-input.ts';
export { CAPACITY_MAX, FlowTable, RESERVE_SHARE } from './flow-table.ts';
export type { Handle } from './handle.ts';
export { NONE } from './none.ts';
export type { FlowTableOptions } from './options.ts';
export type { FlowKeys } from './rows.ts';
export { type Direction, INBOUND, OUTBOUND, type Traffic } from './traffic.ts';
