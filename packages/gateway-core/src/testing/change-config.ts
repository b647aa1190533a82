/** What apps/gateway does on the main thread when a configuration is published, or holds: for all
 * gateways of a world at once. */
import type { ClusterConfig } from '@flowstore/flow';
import { shorterTimeouts } from '@flowstore/flow-store';
import type { World } from './world.ts';

const LAYOUT = 1;

export function changeConfig(world: World, holds: ClusterConfig, next: ClusterConfig | null): void {
  world.store.goBy(holds, next, LAYOUT);
  const { config } = world.store;
  const reportBy = next === null ? holds.timeouts : shorterTimeouts(holds, next);
  for (const gateway of world.gateways) {
    gateway.goBy({ config, reportBy, rules: { holds, next } }, world.nowMs);
  }
}
