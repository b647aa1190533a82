/**
 * The records of the store, packed. Network byte order; instants are ms of the shard's clock.
 *
 * A bound port's row is the whole record of its binding, and of the first of its flows where it has
 * a flow per remote endpoint:
 *
 * ```
 *  0      1            9       13      14       20
 *  +------+------------+-------+-------+--------+-------+------------+--------+--------+
 *  | kind | generation | nonce | flags | seenMs | rstMs | generation | inside | remote |
 *  |      |            |       |       |        |       | and nonce  |        |        |
 *  +------+------------+-------+-------+--------+-------+------------+--------+--------+
 * ```
 *
 * Flags and instants are the first flow's, or those of a binding without flows; they are 0 where
 * the flows are elsewhere. Which of the last four are there is said by the kind, ROW_BOUND and the
 * sum of
 *
 * - ROW_FLOWED: the binding has a flow per remote endpoint;
 * - ROW_FIRST: one of these is in the row, and `remote` is its remote endpoint;
 * - ROW_OWN: it has an identity of its own, not the binding's;
 * - ROW_MORE: others are elsewhere, each a flow's record;
 * - ROW_RST: an RST was seen;
 * - ROW_V6: the inside endpoint is an IPv6 one.
 *
 * A flow's record, 25 bytes:
 *
 * ```
 *  0            8         12      13          19         25
 *  +------------+---------+-------+-----------+----------+
 *  | generation | nonce   | flags | seenMs    | rstMs    |
 *  +------------+---------+-------+-----------+----------+
 * ```
 *
 * A quarantine mark says until when others may not have the port, and who held it last (nothing
 * where that is not known). A block's lease (field "L") names the gateway's incarnation:
 *
 * ```
 *  0     1          7                                0             8          14
 *  +-----+----------+----------+                     +-------------+----------+
 *  | 'q' | untilMs  | endpoint |                     | incarnation | untilMs  |
 *  +-----+----------+----------+                     +-------------+----------+
 * ```
 *
 * An inside endpoint's entry names the outside endpoint that it is bound to: an IPv4 one as the
 * decimal number address * 65,536 + port, an IPv6 one packed.
 */
import { IPV6_BYTES } from './address.ts';
import {
  type Endpoint,
  IPV4_ENDPOINT_BYTES,
  IPV4_SOCKET_ADDRESS_BYTES,
  IPV6_ENDPOINT_BYTES,
  packEndpoint,
  packSocketAddress,
  type SocketAddress,
  unpackEndpoint,
  unpackSocketAddress,
} from './endpoint.ts';
import { type Identity, identityEquals } from './identity.ts';
import { type FlowState, NEVER } from './state.ts';

export interface FlowRecord extends Identity, FlowState {}
export interface BindingRecord extends FlowRecord {
  readonly outside: SocketAddress;
}
export type PortRow =
  | { readonly kind: 'bound'; readonly identity: Identity; readonly inside: Endpoint }
  | QuarantineMark;
export interface QuarantineMark {
  readonly kind: 'quarantined';
  readonly untilMs: number;
  /** null: not known. */
  readonly inside: Endpoint | null;
}
/** A bound port's row, whole. */
export interface BoundRow {
  readonly kind: 'bound';
  readonly identity: Identity;
  readonly inside: Endpoint;
  /** Of a binding without flows; null where it has one per remote endpoint. */
  readonly state: FlowState | null;
  readonly first: RemoteFlow | null;
  readonly hasMore: boolean;
}
export interface RemoteFlow extends FlowRecord {
  readonly remote: SocketAddress;
}
export interface LeaseRecord {
  /** 16 hexadecimal digits. */
  readonly incarnation: string;
  readonly untilMs: number;
}

/** Of all that is stored, keys included: grows by one with each change that a reader must know. */
export const RECORD_LAYOUT = 1;

export const FLOW_RECORD_BYTES = 25;
export const LEASE_RECORD_BYTES = 14;
export const ROW_BOUND = 128;
export const ROW_FLOWED = 1;
export const ROW_FIRST = 2;
export const ROW_OWN = 4;
export const ROW_MORE = 8;
export const ROW_RST = 16;
export const ROW_V6 = 32;
const ROW_HEAD_BYTES = 20;
const IDENTITY_BYTES = 12;
const RST_BYTES = 6;
const QUARANTINED = 0x71; // 'q'
const QUARANTINED_ENDPOINT_OFFSET = 7;
/** The longest decimal number of 48 bits; an IPv6 endpoint is longer. */
const ENTRY_DIGITS_MAX = 15;

export function packFlowRecord(record: FlowRecord): Uint8Array {
  const bytes = new Uint8Array(FLOW_RECORD_BYTES);
  writeHead(new DataView(bytes.buffer), record);
  return bytes;
}

export function unpackFlowRecord(bytes: Uint8Array): FlowRecord {
  expectLength('flow record', bytes, bytes.length === FLOW_RECORD_BYTES);
  return readHead(viewOf(bytes));
}

export function packBoundRow({ identity, inside, state, first, hasMore }: BoundRow): Uint8Array {
  const { flags, seenMs, rstMs } = state ?? first ?? { flags: 0, seenMs: NEVER, rstMs: NEVER };
  const isOwn = first !== null && !identityEquals(first, identity);
  const kind =
    ROW_BOUND |
    (state === null ? ROW_FLOWED : 0) |
    (first === null ? 0 : ROW_FIRST) |
    (isOwn ? ROW_OWN : 0) |
    (hasMore ? ROW_MORE : 0) |
    (rstMs === NEVER ? 0 : ROW_RST) |
    (inside.address.length === IPV6_BYTES ? ROW_V6 : 0);
  const head = new Uint8Array(ROW_HEAD_BYTES);
  const view = viewOf(head);
  head[0] = kind;
  writeIdentity(view, 1, identity);
  head[1 + IDENTITY_BYTES] = flags;
  setUint48(view, 2 + IDENTITY_BYTES, seenMs);
  const rst = new Uint8Array(kind & ROW_RST ? RST_BYTES : 0);
  if (rst.length > 0) setUint48(viewOf(rst), 0, rstMs);
  const own = new Uint8Array(isOwn ? IDENTITY_BYTES : 0);
  if (isOwn) writeIdentity(viewOf(own), 0, first);
  const remote = first === null ? [] : packSocketAddress(first.remote);
  return Uint8Array.of(...head, ...rst, ...own, ...packEndpoint(inside), ...remote);
}

export function unpackBoundRow(bytes: Uint8Array): BoundRow {
  const kind = bytes[0] ?? 0;
  const rstAt = ROW_HEAD_BYTES;
  const ownAt = rstAt + (kind & ROW_RST ? RST_BYTES : 0);
  const insideAt = ownAt + (kind & ROW_OWN ? IDENTITY_BYTES : 0);
  const remoteAt = insideAt + (kind & ROW_V6 ? IPV6_ENDPOINT_BYTES : IPV4_ENDPOINT_BYTES);
  expectLength('row of a bound port', bytes, kind >= ROW_BOUND && bytes.length >= remoteAt);
  const view = viewOf(bytes);
  const identity = readIdentity(view, 1);
  const state = {
    flags: bytes[1 + IDENTITY_BYTES]!,
    seenMs: getUint48(view, 2 + IDENTITY_BYTES),
    rstMs: kind & ROW_RST ? getUint48(view, rstAt) : NEVER,
  };
  const remote = kind & ROW_FIRST ? unpackSocketAddress(bytes.subarray(remoteAt)) : null;
  const own = kind & ROW_OWN ? readIdentity(view, ownAt) : identity;
  return {
    kind: 'bound',
    identity,
    inside: unpackEndpoint(bytes.subarray(insideAt, remoteAt)),
    state: kind & ROW_FLOWED ? null : state,
    first: remote === null ? null : { ...own, ...state, remote },
    hasMore: (kind & ROW_MORE) !== 0,
  };
}

export function packQuarantineMark({ untilMs, inside }: QuarantineMark): Uint8Array {
  const holder = inside === null ? new Uint8Array(0) : packEndpoint(inside);
  const bytes = new Uint8Array(QUARANTINED_ENDPOINT_OFFSET + holder.length);
  bytes[0] = QUARANTINED;
  setUint48(viewOf(bytes), 1, untilMs);
  bytes.set(holder, QUARANTINED_ENDPOINT_OFFSET);
  return bytes;
}

/** What a port's field of a block holds. */
export function unpackPortRow(bytes: Uint8Array): BoundRow | QuarantineMark {
  if (bytes[0] !== QUARANTINED) return unpackBoundRow(bytes);
  expectLength('quarantine mark', bytes, bytes.length >= QUARANTINED_ENDPOINT_OFFSET);
  const holder = bytes.subarray(QUARANTINED_ENDPOINT_OFFSET);
  const inside = holder.length === 0 ? null : unpackEndpoint(holder);
  return { kind: 'quarantined', untilMs: getUint48(viewOf(bytes), 1), inside };
}

/** As Redis holds it: the text of a number, or bytes. */
export function unpackEntry(bytes: Uint8Array): SocketAddress {
  if (bytes.length > ENTRY_DIGITS_MAX) return unpackSocketAddress(bytes);
  const text = new TextDecoder().decode(bytes);
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  expectLength('entry', bytes, number < 2 ** 48);
  const packed = new Uint8Array(IPV4_SOCKET_ADDRESS_BYTES);
  setUint48(viewOf(packed), 0, number);
  return unpackSocketAddress(packed);
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
  writeIdentity(view, 0, record);
  view.setUint8(12, record.flags);
  setUint48(view, 13, record.seenMs);
  setUint48(view, 19, record.rstMs);
}

function readHead(view: DataView): FlowRecord {
  return {
    ...readIdentity(view, 0),
    flags: view.getUint8(12),
    seenMs: getUint48(view, 13),
    rstMs: getUint48(view, 19),
  };
}

function writeIdentity(view: DataView, offset: number, { generation, nonce }: Identity): void {
  view.setBigUint64(offset, BigInt(generation));
  view.setUint32(offset + 8, nonce);
}

function readIdentity(view: DataView, offset: number): Identity {
  return {
    generation: Number(view.getBigUint64(offset)),
    nonce: view.getUint32(offset + 8),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function expectLength(what: string, bytes: Uint8Array, fits: boolean): void {
  if (!fits) throw new RangeError(`${bytes.length} bytes are no ${what}`);
}
