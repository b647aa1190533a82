export * from './counters.ts';
export * from './frame.ts';
export * from './gateway-core.ts';
export type { GoingBy } from './lifetimes.ts';
export * from './limits.ts';
export type { OutageState } from './outage.ts';
export * from './peer-message.ts';
export * from './policies.ts';
export * from './store-call.ts';
