/** What tests and benchmarks need: the model, a private Redis, scripts, an earlier release. */
export { BRIDGED, FORMER } from '../conformance/layouts/releases.ts';
export { entryKey, remoteKey } from '../model/model-entry.ts';
export { ModelData, type ModelOptions, ModelServer } from '../model/model-server.ts';
export { ModelFlowStore } from '../model/model-store.ts';
export { packBatch, unpackBatch } from '../redis/batch.ts';
export { metaKey } from '../redis/keys.ts';
export { packPolicy } from '../redis/policy.ts';
export { loadScript, parseScript, readPart } from '../redis/script-loader.ts';
export { isolateMaster } from './isolate.ts';
export { type ServerProcess, startServer } from './server-process.ts';
export { startCluster, type TestCluster } from './start-cluster.ts';
export { startRedis, type TestRedis } from './start-redis.ts';
export { startSentinel, type TestSentinel } from './start-sentinel.ts';
