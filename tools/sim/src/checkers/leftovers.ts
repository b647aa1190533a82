/**
 * I5, no leak: once the traffic stopped and every timeout, slack, lease and quarantine has passed,
 * the store and the gateways hold nothing of it.
 */
import type { World } from '../world/world.ts';

export function checkLeftovers(world: World): void {
  for (const { name, holds } of holders(world)) {
    world.witness.checks.check('I5', sumOf(holds) === 0, () => {
      return `${name} still holds ${JSON.stringify(holds)}`;
    });
  }
}

/** Whether there is nothing left already. */
export function isEmpty(world: World): boolean {
  return holders(world).every(({ holds }) => sumOf(holds) === 0);
}

function holders(world: World): { name: string; holds: Record<string, number> }[] {
  const gateways = world.boxes.flatMap(({ core, name }) => {
    if (core === null) return [];
    const { flows, questions, heldBytes, portBlocks } = core.gauges;
    return [{ name, holds: { flows, questions, heldBytes, portBlocks } }];
  });
  // Where all gateways were dead when the store lost its data nobody wrote the configuration back:
  // no reaper works then, and Redis' TTLs, which the model has not, take what late calls left.
  const { configText } = world.site.master.directory.data.directory;
  const holds = configText === null ? {} : world.counts();
  return [{ name: 'the store', holds }, ...gateways];
}

function sumOf(holds: Record<string, number>): number {
  return Object.values(holds).reduce((sum, count) => sum + count, 0);
}
