/**
 * The walk over everything: SCAN finds the keys of each server, a few at a time, and the script
 * `audit` checks each entry, each block and each shard's counts where they live, atomically. In
 * health it finds nothing.
 *
 * Not part of the contract: the model's parts can't disagree.
 */
import { SHARD_TAGS } from './keys.ts';

/** What did not agree, by the bit in the script's answer. */
export const AUDIT_FINDINGS = [
  /** An entry that names no outside endpoint: deleted. */
  'entryUnreadable',
  /** An entry whose port is not, or no longer, bound to it: deleted, and told void. Or flows of
   * which no row knows: deleted. */
  'entryWithoutRow',
  /** A key that would stay for ever: given a TTL. */
  'keyWithoutTtl',
  /** A bound row to which no entry leads: its port begins a quarantine. */
  'rowWithoutEntry',
  /** A block that no sweep would come to: indexed. */
  'blockNotIndexed',
  /** A block that the sweep would come to after a deadline in it: indexed earlier. */
  'blockLookedAtLate',
  /** A block that would go by its TTL before its entries: kept longer. */
  'blockGoesEarly',
  /** A subscriber has more or fewer ports than is counted in the shard: all are counted anew. */
  'subscriberCountWrong',
] as const;

export type AuditFindingKind = (typeof AUDIT_FINDINGS)[number];

export interface AuditFinding {
  readonly kind: AuditFindingKind;
  readonly shard: number;
  /** The key, what is not printable escaped. */
  readonly key: string;
}

export interface AuditStep {
  /** Where to go on; null at the end of the walk. */
  readonly next: string | null;
  /** Keys that were checked. */
  readonly checked: number;
  /** Those that could not be, because their shard is in grace. */
  readonly notYet: number;
  readonly findings: readonly AuditFinding[];
}

/** One page of the keys of one server. */
export interface ScanPage {
  readonly keys: readonly Buffer[];
  /** The server's own; "0" at its end. */
  readonly cursor: string;
  readonly servers: number;
}

export interface AuditRequest {
  readonly shard: number;
  readonly key: Buffer;
  /** The kind's letter, and what follows the tag in the key. */
  readonly subject: Buffer;
}

/** An entry's key has no letter in front. */
const SUBJECT = /^(?:([xp]):\{(..)\}:|(s):\{(..)\}$|()\{(..)\})/;
const SHARD_BY_TAG = new Map(SHARD_TAGS.map((tag, shard) => [tag, shard]));

/** Those of the keys that are entries, flows or blocks of ours, and a shard's meta key, for its
 * counts. */
export function auditRequests(keys: readonly Buffer[]): AuditRequest[] {
  return keys.flatMap((key) => {
    const match = SUBJECT.exec(key.toString('latin1'));
    if (match === null) return [];
    const [whole, ...parts] = match;
    const [kind, tag] = parts.filter((part) => part !== undefined) as [string, string];
    const shard = SHARD_BY_TAG.get(tag);
    if (shard === undefined) return [];
    const subject = Buffer.concat([Buffer.from(kind || 'e'), key.subarray(whole.length)]);
    return [{ shard, key, subject }];
  });
}

export function findingsOf({ shard, key }: AuditRequest, bits: number): AuditFinding[] {
  const text = JSON.stringify(key.toString('latin1'));
  const found = AUDIT_FINDINGS.filter((_, bit) => (bits >> bit) & 1);
  return found.map((kind) => ({ kind, shard, key: text }));
}

/** A place in the walk: "server/cursor". */
export function readPlace(place: string | null): { server: number; cursor: string } {
  const [server = '0', cursor = '0'] = (place ?? '').split('/').filter((part) => part !== '');
  return { server: Number(server), cursor };
}

export function placeAfter(server: number, { cursor, servers }: ScanPage): string | null {
  if (cursor !== '0') return `${server}/${cursor}`;
  return server + 1 < servers ? `${server + 1}/0` : null;
}
