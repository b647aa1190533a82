/**
 * I3, no ABA: whatever a script did to an entry or a lease, it did to the one whose identity the
 * request named. Compares the store's record before and after each single request.
 */
import type { Endpoint, Identity, SocketAddress } from '@flowstore/flow';
import { type ModelData, remoteKey } from '@flowstore/flow-store/testing';
import { addressNumber, formatEndpoint, protocolName } from '../keys.ts';
import { TCP } from '../packet.ts';
import type { Checks } from './checks.ts';
import { storedEntry } from './truth.ts';

interface Named {
  readonly inside: Endpoint;
  readonly remote: SocketAddress | null;
  readonly identity?: Identity;
  readonly replaces?: Identity | null;
}

interface Snapshot {
  readonly generation: number;
  readonly nonce: number;
  readonly outsidePort: number;
  readonly state: string;
}

export class IdentityChecker {
  readonly #checks: Checks;

  constructor(checks: Checks) {
    this.#checks = checks;
  }

  /** Runs a request of `touch`, `close` or `open` and looks at what it did to whom. */
  around<T>(operation: string, request: Named, data: ModelData, run: () => T): T {
    const before = snapshot(data, request);
    const asserts = operation === 'reassert';
    const binding = asserts ? snapshot(data, { inside: request.inside, remote: null }) : null;
    const result = run();
    if (binding !== null && this.#isReplaced(binding, request, data)) {
      this.#checks.check('I3', isOf(binding, request.replaces), () => {
        return `reassert replaced generation ${binding.generation} of ${nameOf(request.inside)}`;
      });
      return result;
    }
    if (before === null) return result;
    const meant = operation === 'open' ? request.replaces : request.identity;
    const isMeant = isOf(before, meant);
    // A former incarnation that came back with old data goes when a later one is told again.
    const isFormer = asserts && before.generation < (meant?.generation ?? 0);
    if (isMeant || isFormer) {
      this.#checks.check('I3', true, () => '');
      return result;
    }
    const after = snapshot(data, request);
    const untouched =
      after !== null && after.generation === before.generation && after.nonce === before.nonce;
    // An open merges what it saw into whatever is there, and so does what is told again in grace:
    // that is no act on an identity.
    const merges = operation === 'open' || asserts;
    const holds = untouched && (merges || after.state === before.state);
    this.#checks.check('I3', holds || this.#wasDead(operation, result), () => {
      return (
        `${operation} of generation ${meant?.generation ?? 'none'} acted on generation ` +
        `${before.generation} of ${nameOf(request.inside)}`
      );
    });
    return result;
  }

  /** Whether another binding than the former has the inside endpoint now: at another port. */
  #isReplaced(former: Snapshot, { inside }: Named, data: ModelData): boolean {
    return storedEntry(data, inside)?.binding.outside.port !== former.outsidePort;
  }

  /** A new entry may take the place of one whose deadline has passed: that names nobody. I4 sees
   * whether its time had really come. */
  #wasDead(operation: string, result: unknown): boolean {
    if (operation !== 'open') return false;
    return (result as { kind: string }).kind === 'created';
  }
}

function isOf(record: Snapshot, identity: Identity | null | undefined): boolean {
  return identity?.generation === record.generation && identity.nonce === record.nonce;
}

function nameOf({ protocol, address, port }: Endpoint): string {
  return `${protocolName(protocol)} ${formatEndpoint(addressNumber(address), port)}`;
}

function snapshot(data: ModelData, { inside, remote }: Named): Snapshot | null {
  const entry = storedEntry(data, inside);
  if (entry === undefined) return null;
  const perRemote = inside.protocol === TCP && remote !== null;
  const record = perRemote ? entry.flows.get(remoteKey(remote)) : entry.binding;
  if (record === undefined) return null;
  const { generation, nonce, flags, seenMs, rstMs } = record;
  const outsidePort = entry.binding.outside.port;
  return { generation, nonce, outsidePort, state: `${flags}/${seenMs}/${rstMs}` };
}
