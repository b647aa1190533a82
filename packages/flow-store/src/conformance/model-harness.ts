/** The model under the conformance suite: a virtual clock, and a look into its Maps. */
import { type ClusterConfig, RECORD_LAYOUT, shardOfInside, shardOfOutside } from '@flowstore/flow';
import { blockKeyOf } from '../model/model-block.ts';
import { entryKey } from '../model/model-entry.ts';
import { ModelFlowStore } from '../model/model-store.ts';
import type { Harness } from './harness.ts';

export function modelHarness(config: ClusterConfig, startMs = 1_700_000_000_000): Harness {
  let clockMs = startMs;
  const nowMs = () => clockMs;
  let runId = 'first';
  // Another server takes over by its run id alone: the data is the same.
  const store = new ModelFlowStore({ config, nowMs, runId: () => runId });
  // A new deployment, so without grace, but for its configuration.
  for (const { grace } of store.data.shards) grace.markFresh(runId);
  const loseBlock: Harness['loseBlock'] = async (protocol, outside) => {
    const { entries, ports } =
      store.data.shards[shardOfOutside(protocol, outside.address, outside.port)]!;
    const block = blockKeyOf(protocol, outside);
    ports.blocks.delete(block);
    // A port's row is the truth about its binding.
    for (const [key, { inside, binding }] of entries) {
      if (blockKeyOf(inside.protocol, binding.outside) === block) entries.delete(key);
    }
  };
  return {
    store,
    async connect(other = config, layout = RECORD_LAYOUT) {
      const { data } = store;
      return new ModelFlowStore({ config: other, nowMs, runId: () => runId, data, layout });
    },
    async advance(ms) {
      clockMs += ms;
    },
    async changeServer() {
      runId += '+';
    },
    async loseEntry(inside) {
      store.data.shards[shardOfInside(inside)]!.entries.delete(entryKey(inside));
    },
    loseBlock,
    expireBlock: loseBlock,
    async leftovers() {
      return Object.values(store.counts()).reduce((sum, count) => sum + count, 0);
    },
    async end() {},
  };
}
