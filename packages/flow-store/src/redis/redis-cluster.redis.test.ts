/** The whole conformance suite once more, on a Redis Cluster of three masters. */
import { afterAll, beforeAll } from 'vitest';
import { filteringConformance } from '../conformance/filtering.ts';
import { CONFORMANCE_CONFIG } from '../conformance/harness.ts';
import { redisHarness } from '../conformance/redis-harness.ts';
import { SHARD } from '../conformance/scenario.ts';
import { conformance } from '../conformance/suite.ts';
import { startCluster, type TestCluster } from '../testing/start-cluster.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster.stop();
});

conformance('Redis Cluster', () => redisHarness(cluster.url, CONFORMANCE_CONFIG));
filteringConformance('Redis Cluster', (config) =>
  redisHarness(cluster.url, config, { shards: [SHARD] }),
);
