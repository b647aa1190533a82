import { filteringConformance } from '../conformance/filtering.ts';
import { modelHarness } from '../conformance/model-harness.ts';

filteringConformance('the in-memory model', async (config) => modelHarness(config));
