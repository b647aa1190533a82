/**
 * The records of the store, packed. Network byte order; instants are ms of the shard's clock.
 *
 * The head, 25 bytes, is a flow's whole record:
 *
 * ```
 *  0            8         12      13          19         25
 *  +------------+---------+-------+-----------+----------+
 *  | generation | nonce   | flags | seenMs    | rstMs    |
 *  +------------+---------+-------+-----------+----------+
 * ```
 *
 * A binding's record is a head (for TCP its state stays empty: its flows have their own) and the
 * outside endpoint's address (4 or 16 bytes) and port:
 *
 * ```
 *  0     25          25+a    27+a
 *  +-----+-----------+-------+
 *  | head| address   | port  |
 *  +-----+-----------+-------+
 * ```
 *
 * A port's row in its block says who holds it, or who held it last and until when others may not:
 *
 * ```
 *  0     1            9        13                    0     1          7
 *  +-----+------------+--------+----------+          +-----+----------+----------+
 *  | 'b' | generation | nonce  | endpoint |          | 'q' | untilMs  | endpoint |
 *  +-----+------------+--------+----------+          +-----+----------+----------+
 * ```
 *
 * The endpoint of a quarantine mark is empty where the last holder is not known. A block's lease
 * (field "L") names the gateway's incarnation:
 *
 * ```
 *  0             8          14
 *  +-------------+----------+
 *  | incarnation | untilMs  |
 *  +-------------+----------+
 * ```
 */
import {
  type Endpoint,
  packEndpoint,
  packSocketAddress,
  type SocketAddress,
  unpackEndpoint,
  unpackSocketAddress,
} from './endpoint.ts';
import type { Identity } from './identity.ts';
import type { FlowState } from './state.ts';

export interface FlowRecord extends Identity, FlowState {}
export interface BindingRecord extends FlowRecord {
  readonly outside: SocketAddress;
}
export type PortRow =
  | { readonly kind: 'bound'; readonly identity: Identity; readonly inside: Endpoint }
  | { readonly kind: 'quarantined'; readonly untilMs: number; readonly inside: Endpoint | null };
export interface LeaseRecord {
  /** 16 hexadecimal digits. */
  readonly incarnation: string;
  readonly untilMs: number;
}

/** Of all that is stored, keys included: grows by one with each change that a reader must know. */
export const RECORD_LAYOUT = 1;

export const FLOW_RECORD_BYTES = 25;
export const LEASE_RECORD_BYTES = 14;
const BOUND = 0x62; // 'b'
const QUARANTINED = 0x71; // 'q'
const BOUND_ENDPOINT_OFFSET = 13;
const QUARANTINED_ENDPOINT_OFFSET = 7;

export function packFlowRecord(record: FlowRecord): Uint8Array {
  const bytes = new Uint8Array(FLOW_RECORD_BYTES);
  writeHead(new DataView(bytes.buffer), record);
  return bytes;
}

export function unpackFlowRecord(bytes: Uint8Array): FlowRecord {
  expectLength('flow record', bytes, bytes.length === FLOW_RECORD_BYTES);
  return readHead(viewOf(bytes));
}

export function packBindingRecord(record: BindingRecord): Uint8Array {
  const outside = packSocketAddress(record.outside);
  const bytes = new Uint8Array(FLOW_RECORD_BYTES + outside.length);
  writeHead(new DataView(bytes.buffer), record);
  bytes.set(outside, FLOW_RECORD_BYTES);
  return bytes;
}

export function unpackBindingRecord(bytes: Uint8Array): BindingRecord {
  expectLength('binding record', bytes, bytes.length > FLOW_RECORD_BYTES);
  const outside = unpackSocketAddress(bytes.subarray(FLOW_RECORD_BYTES));
  return { ...readHead(viewOf(bytes)), outside };
}

export function packPortRow(row: PortRow): Uint8Array {
  const inside = row.inside === null ? new Uint8Array(0) : packEndpoint(row.inside);
  const bound = row.kind === 'bound';
  const offset = bound ? BOUND_ENDPOINT_OFFSET : QUARANTINED_ENDPOINT_OFFSET;
  const bytes = new Uint8Array(offset + inside.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = bound ? BOUND : QUARANTINED;
  if (bound) {
    view.setBigUint64(1, BigInt(row.identity.generation));
    view.setUint32(9, row.identity.nonce);
  } else {
    setUint48(view, 1, row.untilMs);
  }
  bytes.set(inside, offset);
  return bytes;
}

export function unpackPortRow(bytes: Uint8Array): PortRow {
  const view = viewOf(bytes);
  if (bytes[0] === BOUND && bytes.length > BOUND_ENDPOINT_OFFSET) {
    const identity = { generation: Number(view.getBigUint64(1)), nonce: view.getUint32(9) };
    const inside = unpackEndpoint(bytes.subarray(BOUND_ENDPOINT_OFFSET));
    return { kind: 'bound', identity, inside };
  }
  expectLength('port row', bytes, bytes[0] === QUARANTINED && bytes.length >= 7);
  const holder = bytes.subarray(QUARANTINED_ENDPOINT_OFFSET);
  const inside = holder.length === 0 ? null : unpackEndpoint(holder);
  return { kind: 'quarantined', untilMs: getUint48(view, 1), inside };
}

export function packLeaseRecord({ incarnation, untilMs }: LeaseRecord): Uint8Array {
  const bytes = new Uint8Array(LEASE_RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(`0x${incarnation}`));
  setUint48(view, 8, untilMs);
  return bytes;
}

export function unpackLeaseRecord(bytes: Uint8Array): LeaseRecord {
  expectLength('lease record', bytes, bytes.length === LEASE_RECORD_BYTES);
  const view = viewOf(bytes);
  const incarnation = view.getBigUint64(0).toString(16).padStart(16, '0');
  return { incarnation, untilMs: getUint48(view, 8) };
}

/** Writes an unsigned 48-bit integer: ms since the epoch fit until the year 10889. */
export function setUint48(view: DataView, offset: number, value: number): void {
  view.setUint16(offset, Math.floor(value / 0x1_0000_0000));
  view.setUint32(offset + 2, value % 0x1_0000_0000);
}

export function getUint48(view: DataView, offset: number): number {
  return view.getUint16(offset) * 0x1_0000_0000 + view.getUint32(offset + 2);
}

function writeHead(view: DataView, record: FlowRecord): void {
  view.setBigUint64(0, BigInt(record.generation));
  view.setUint32(8, record.nonce);
  view.setUint8(12, record.flags);
  setUint48(view, 13, record.seenMs);
  setUint48(view, 19, record.rstMs);
}

function readHead(view: DataView): FlowRecord {
  return {
    generation: Number(view.getBigUint64(0)),
    nonce: view.getUint32(8),
    flags: view.getUint8(12),
    seenMs: getUint48(view, 13),
    rstMs: getUint48(view, 19),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function expectLength(what: string, bytes: Uint8Array, fits: boolean): void {
  if (!fits) throw new RangeError(`${bytes.length} bytes are no ${what}`);
}
