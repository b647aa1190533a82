export * from './config.ts';
export * from './reaper.ts';
