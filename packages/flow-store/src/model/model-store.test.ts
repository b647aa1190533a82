import { CONFORMANCE_CONFIG } from '../conformance/harness.ts';
import { modelHarness } from '../conformance/model-harness.ts';
import { conformance } from '../conformance/suite.ts';

conformance('the in-memory model', async () => modelHarness(CONFORMANCE_CONFIG));
