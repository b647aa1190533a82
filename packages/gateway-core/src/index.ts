export * from './counters.ts';
export * from './frame.ts';
export * from './gateway-core.ts';
export * from './limits.ts';
export * from './store-call.ts';
