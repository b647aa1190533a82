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
    const result = run();
    if (before === null) return result;
    const meant = operation === 'open' ? request.replaces : request.identity;
    const isMeant = meant?.generation === before.generation && meant.nonce === before.nonce;
    // A former incarnation that came back with old data goes when a later one is told again.
    const isFormer = operation === 'reassert' && before.generation < (meant?.generation ?? 0);
    if (isMeant || isFormer) {
      this.#checks.check('I3', true, () => '');
      return result;
    }
    const after = snapshot(data, request);
    const untouched =
      after !== null && after.generation === before.generation && after.nonce === before.nonce;
    // An open merges what it saw into whatever is there, and so does what is told again in grace:
    // that is no act on an identity.
    const merges = operation === 'open' || operation === 'reassert';
    const holds = untouched && (merges || after.state === before.state);
    this.#checks.check('I3', holds || this.#wasDead(operation, result), () => {
      const { inside } = request;
      const text = formatEndpoint(addressNumber(inside.address), inside.port);
      return (
        `${operation} of generation ${meant?.generation ?? 'none'} acted on generation ` +
        `${before.generation} of ${protocolName(inside.protocol)} ${text}`
      );
    });
    return result;
  }

  /** A new entry may take the place of one whose deadline has passed: that names nobody. I4 sees
   * whether its time had really come. */
  #wasDead(operation: string, result: unknown): boolean {
    if (operation !== 'open') return false;
    return (result as { kind: string }).kind === 'created';
  }
}

function snapshot(data: ModelData, { inside, remote }: Named): Snapshot | null {
  const entry = storedEntry(data, inside);
  if (entry === undefined) return null;
  const perRemote = inside.protocol === TCP && remote !== null;
  const record = perRemote ? entry.flows.get(remoteKey(remote)) : entry.binding;
  if (record === undefined) return null;
  const { generation, nonce, flags, seenMs, rstMs } = record;
  return { generation, nonce, state: `${flags}/${seenMs}/${rstMs}` };
}
