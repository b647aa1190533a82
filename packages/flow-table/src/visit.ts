/**
 * Going through all flows a few steps at a time, so that no packet waits for it: `cancelMatching`
 * for operators and leases that ended, `snapshot` for people and for a handover.
 *
 * ```
 *   let cursor = START;
 *   while (cursor !== NONE) cursor = cancelMatching(table, filter, cursor, 256).cursor;
 *                           ^ a turn each: packets, polls and puts come in between
 * ```
 *
 * A step is a slot looked at, used or not. A flow that stays in its slot from the first call to the
 * last is visited exactly once. One put meanwhile may be visited or not, by where its slot lies;
 * one put again (a new incarnation) is such a flow.
 */
import type { FlowStatus, IpAddress } from '@flowstore/flow';
import type { FlowInput, FlowInput6 } from './flow-input.ts';
import type { FlowTable } from './flow-table.ts';
import type { Handle } from './handle.ts';
import { NONE } from './none.ts';

/** The cursor of a first call. */
export const START = 0;

/** What a flow must have: all that is given. An address of 16 bytes is an IPv6 one. */
export interface FlowFilter {
  readonly domain?: number;
  readonly insideAddress?: number | IpAddress;
  readonly outsideAddress?: number | IpAddress;
}

export interface Cancelled {
  /** Flows that were Active and are Cancelled now. */
  readonly cancelled: number;
  /** Expired rows that were removed. */
  readonly removed: number;
  /** To go on from; NONE when all slots were looked at. */
  readonly cursor: number;
}

export interface FlowRow {
  readonly handle: Handle;
  readonly slot: number;
  readonly status: FlowStatus;
  readonly flow: FlowInput | FlowInput6;
}

export interface Snapshot {
  readonly rows: FlowRow[];
  readonly cursor: number;
}

/** Cancels the flows that match, among the next `stepsMax` slots. */
export function cancelMatching(
  table: FlowTable,
  filter: FlowFilter,
  cursor: number,
  stepsMax: number,
): Cancelled {
  const before = table.counters.cancelled;
  let ended = 0;
  const next = visit(table, cursor, stepsMax, (slot) => {
    if (matches(table, slot, filter) && table.cancel(slot)) ended++;
  });
  const cancelled = table.counters.cancelled - before;
  return { cancelled, removed: ended - cancelled, cursor: next };
}

/** Copies of the rows among the next `stepsMax` slots. */
export function snapshot(table: FlowTable, cursor: number, stepsMax: number): Snapshot {
  const rows: FlowRow[] = [];
  const next = visit(table, cursor, stepsMax, (slot) => {
    const handle = table.handleOf(slot);
    const flow = table.isIpv6(slot) ? table.flow6At(slot) : table.flowAt(slot);
    rows.push({ handle, slot, status: table.status(handle), flow });
  });
  return { rows, cursor: next };
}

function visit(
  table: FlowTable,
  cursor: number,
  stepsMax: number,
  look: (slot: number) => void,
): number {
  const last = Math.min(cursor + stepsMax, table.slotsUsed);
  for (let slot = cursor + 1; slot <= last; slot++) if (table.isStored(slot)) look(slot);
  return last < table.slotsUsed ? last : NONE;
}

function matches(table: FlowTable, slot: number, filter: FlowFilter): boolean {
  const { domain, insideAddress, outsideAddress } = filter;
  if (domain !== undefined && table.domain(slot) !== domain) return false;
  if (insideAddress === undefined && outsideAddress === undefined) return true;
  // Most rows differ in a number; only those of the right family are worth a copy.
  const isIpv6 = table.isIpv6(slot);
  for (const wanted of [insideAddress, outsideAddress]) {
    if (wanted !== undefined && (typeof wanted === 'number') === isIpv6) return false;
  }
  const row = isIpv6 ? table.flow6At(slot) : table.flowAt(slot);
  return isSame(row.insideAddress, insideAddress) && isSame(row.outsideAddress, outsideAddress);
}

function isSame(address: number | IpAddress, wanted: number | IpAddress | undefined): boolean {
  if (wanted === undefined) return true;
  if (typeof wanted === 'number' || typeof address === 'number') return address === wanted;
  return wanted.length === address.length && wanted.every((byte, i) => byte === address[i]);
}
