/** What tests of other packages need: the model, and a private Redis. */
export { ModelData, ModelFlowStore, type ModelOptions } from '../model/model-store.ts';
export { startRedis, type TestRedis } from './start-redis.ts';
