/**
 * I1, no sharing: at no instant do two live bindings of one protocol hold one outside endpoint; nor
 * does a new one of another inside endpoint within the quarantine of the last, if anybody could
 * know of that one.
 */
import type { ClusterConfig } from '@flowstore/flow';
import type { ModelData } from '@flowstore/flow-store/testing';
import { addressNumber, endpointKey, formatEndpoint, protocolName } from '../keys.ts';
import type { Checks } from './checks.ts';
import type { BindingTruth } from './truth.ts';

export class PortChecker {
  readonly #checks: Checks;
  readonly #config: ClusterConfig;

  constructor(checks: Checks, config: ClusterConfig) {
    this.#checks = checks;
    this.#config = config;
  }

  /** `former` held the outside endpoint before. */
  bindingCreated(binding: BindingTruth, former: BindingTruth | undefined): void {
    const quarantinedMs = this.#config.quarantineMs;
    const { createdMs } = binding;
    const same = former?.inside === binding.inside && former.insidePort === binding.insidePort;
    const free =
      former === undefined ||
      (former.endedMs !== null && (same || createdMs - former.endedMs >= quarantinedMs)) ||
      isForgotten(former);
    this.#checks.check('I1', free, () => {
      const ended =
        former!.endedMs === null ? 'lives' : `ended ${createdMs - former!.endedMs} ms ago`;
      return (
        `${describe(binding)} was bound to an outside endpoint whose last holder ` +
        `${formatEndpoint(former!.inside, former!.insidePort)} ${ended}`
      );
    });
  }

  /** Looks over all of the store at once. */
  audit(data: ModelData): void {
    const holders = new Map<number, number>();
    for (const shard of data.shards) {
      for (const { inside, binding } of shard.entries.values()) {
        const { address, port } = binding.outside;
        const key = endpointKey(inside.protocol, addressNumber(address), port);
        const holder = endpointKey(inside.protocol, addressNumber(inside.address), inside.port);
        const other = holders.get(key);
        holders.set(key, holder);
        this.#checks.check('I1', other === undefined, () => {
          const text = formatEndpoint(addressNumber(address), port);
          return `two bindings in the store hold ${protocolName(inside.protocol)} ${text}`;
        });
      }
    }
  }
}

/** The store lost it before anybody heard of it (a late call's): nobody can know that there is
 * something to wait for. Should a gateway use it all the same, then I2 is broken. */
function isForgotten({ isLost, flows }: BindingTruth): boolean {
  return isLost && [...flows.values()].every(({ sightings }) => sightings.isUnheardOf);
}

export function describe(binding: BindingTruth): string {
  const inside = formatEndpoint(binding.inside, binding.insidePort);
  const outside = formatEndpoint(binding.outside, binding.outsidePort);
  return `${protocolName(binding.protocol)} ${inside} <-> ${outside}`;
}
