import { CLUSTER_DEFAULTS, type ClusterConfig } from '@flowstore/flow';
import { ModelData, ModelFlowStore } from '@flowstore/flow-store/testing';
import { expect, test } from 'vitest';
import { compareByJoining } from './store-access.ts';

const CLUSTER: ClusterConfig = {
  ...CLUSTER_DEFAULTS,
  pool: ['203.0.113.0/28'],
  insidePrefixes: ['198.18.0.0/16'],
};

test('the configuration is compared without joining', async () => {
  const data = new ModelData();
  const store = (config: ClusterConfig) => new ModelFlowStore({ config, data, nowMs: () => 1 });
  const compare = (change: Partial<ClusterConfig>) =>
    compareByJoining(store(Object.assign({ notAGateway: true }, CLUSTER, change)));

  expect(await compare({})).toEqual({ kind: 'notInitialised' });
  await store(CLUSTER).initialise();
  expect(await compare({})).toEqual({ kind: 'match' });
  expect(await compare({ leaseMs: 1, version: 2 })).toEqual({
    kind: 'mismatch',
    fields: ['leaseMs', 'version'],
  });
  expect(data.members.size).toBe(0);
});
