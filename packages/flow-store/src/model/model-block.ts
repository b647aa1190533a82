/** A block of outside ports in the model: rows, lease, and what is free. */
import {
  BLOCK_PORTS,
  blockOfPort,
  type ClusterConfig,
  endpointEquals,
  identityEquals,
  type LeaseRecord,
  type PortBlock,
  type PortRow,
  type SocketAddress,
} from '@flowstore/flow';
import type * as contract from '../contract.ts';
import type { Entry } from './model-entry.ts';

export interface Block extends PortBlock {
  /** By offset of the port in the block. */
  readonly rows: Map<number, PortRow>;
  lease: LeaseRecord | null;
  /** Where a sweep that used its looks up goes on, and since when that was due. */
  goOn: { readonly offset: number; readonly dueMs: number } | null;
}

export function leasedBlock(
  { protocol, address, block }: PortBlock,
  freePorts: number,
  config: ClusterConfig,
): contract.LeasedBlock {
  const lifeMs = config.leaseMs - config.slack.clockSkewMs;
  return { protocol, address, block, freePorts, lifeMs };
}

export function holdsLease(
  block: Block,
  { incarnation }: contract.LeaseRef,
  nowMs: number,
): boolean {
  const { lease } = block;
  return lease !== null && lease.incarnation === incarnation && lease.untilMs > nowMs;
}

export function freePortsOf({ rows }: Block, nowMs: number): number {
  let mask = 0;
  for (let offset = 0; offset < BLOCK_PORTS; offset++) {
    if (isFree(rows.get(offset), nowMs)) mask |= 1 << offset;
  }
  return mask;
}

export function isFree(row: PortRow | undefined, nowMs: number): boolean {
  return row === undefined || (row.kind === 'quarantined' && row.untilMs <= nowMs);
}

export function isRowOf(row: PortRow & { kind: 'bound' }, entry: Entry): boolean {
  return endpointEquals(row.inside, entry.inside) && identityEquals(row.identity, entry.binding);
}

export function offsetOf(port: number): number {
  return port % BLOCK_PORTS;
}

export function blockKeyOf(protocol: number, { address, port }: SocketAddress): string {
  return blockKey({ protocol, address, block: blockOfPort(port) });
}

export function blockKey({ protocol, address, block }: PortBlock): string {
  return `${protocol} ${address.join('.')} ${block}`;
}
