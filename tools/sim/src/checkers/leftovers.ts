/**
 * I5, no leak: once the traffic stopped and every timeout, slack, lease and quarantine has passed,
 * the store and the gateways hold nothing of it.
 */
import type { World } from '../world/world.ts';

export function checkLeftovers(world: World): void {
  const { witness, boxes } = world;
  const left = world.counts();
  const stored = Object.values(left).reduce((sum, count) => sum + count, 0);
  witness.checks.check('I5', stored === 0, () => `the store still holds ${JSON.stringify(left)}`);
  for (const { core, name } of boxes) {
    if (core === null) continue;
    const { flows, questions, heldBytes, portBlocks } = core.gauges;
    const sum = flows + questions + heldBytes + portBlocks;
    witness.checks.check('I5', sum === 0, () => {
      return `${name} still holds ${JSON.stringify({ flows, questions, heldBytes, portBlocks })}`;
    });
  }
}
