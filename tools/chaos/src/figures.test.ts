import { CLUSTER_DEFAULTS, type ClusterConfig } from '@flowstore/flow';
import { ModelFlowStore } from '@flowstore/flow-store/testing';
import { expect, test } from 'vitest';
import { type FigureSet, figuresOf, lastFigures } from './figures.ts';

test.each<FigureSet>(['default', 'short'])(
  'the last figures can be published to gateways that run with the %s ones',
  async (set) => {
    const base = CLUSTER_DEFAULTS as ClusterConfig;
    const config: ClusterConfig = { ...base, ...figuresOf(set), version: 1 };
    const nowMs = () => 1;
    const running = new ModelFlowStore({ config, nowMs });
    await running.initialise('new');
    const next = { ...config, ...lastFigures(figuresOf(set)), version: 2 };
    const publisher = new ModelFlowStore({ config: next, nowMs, data: running.data });
    expect(await publisher.publish()).toEqual({ kind: 'published' });
  },
);
