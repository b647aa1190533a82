/** What tests of other packages need: the model, and a private Redis. */
export { ModelData, ModelFlowStore, type ModelOptions } from '../model/model-store.ts';
