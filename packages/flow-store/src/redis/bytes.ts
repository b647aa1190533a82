/** Cursors over packed requests and replies. Network byte order, like the records. */
import {
  type BoundRow,
  type Endpoint,
  type FlowRecord,
  type FlowState,
  getUint48,
  type Identity,
  packEndpoint,
  packSocketAddress,
  type SocketAddress,
  unpackBoundRow,
  unpackSocketAddress,
} from '@flowstore/flow';
import type { ListedFlow, Sighting, StoredEntry, StoredFlow } from '../contract.ts';
import { wholeAgeMs } from '../validate.ts';

const NO_AGE = 0xffffffff;
const INITIAL_BYTES = 96;
const NO_BYTES = new Uint8Array(0);
/** Which flow of an entry the answer is about: the row's first, or one that is told beside it. */
const FIRST = 1;
const FURTHER = 2;

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  u8(value: number): this {
    this.#reserve(1);
    this.#length = this.#bytes.writeUInt8(value, this.#length);
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    this.#length = this.#bytes.writeUInt16BE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
    return this;
  }

  u48(value: number): this {
    this.#reserve(6);
    this.#length = this.#bytes.writeUIntBE(value, this.#length, 6);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** With its length in one byte in front. */
  short(value: Uint8Array): this {
    return this.u8(value.length).bytes(value);
  }

  text(value: string): this {
    const bytes = Buffer.from(value);
    return this.u16(bytes.length).bytes(bytes);
  }

  endpoint(inside: Endpoint): this {
    return this.short(packEndpoint(inside));
  }

  /** In one piece: the first one's length, then that of both in front. */
  endpoints(packed: Uint8Array, remote: SocketAddress | null): this {
    const peer = remote === null ? NO_BYTES : packSocketAddress(remote);
    return this.u8(packed.length)
      .u8(packed.length + peer.length)
      .bytes(packed)
      .bytes(peer);
  }

  /** null: of no length. */
  socketAddress(address: SocketAddress | null): this {
    return address === null ? this.u8(0) : this.short(packSocketAddress(address));
  }

  /** null: all zeros, which no identity is. */
  identity(identity: Identity | null): this {
    this.#reserve(8);
    this.#bytes.writeBigUInt64BE(BigInt(identity?.generation ?? 0), this.#length);
    this.#length += 8;
    return this.u32(identity?.nonce ?? 0);
  }

  incarnation(incarnation: string): this {
    return this.bytes(Buffer.from(incarnation, 'hex'));
  }

  sighting({ flags, ageMs, rstAgeMs }: Sighting): this {
    return this.u8(flags).age(ageMs).age(rstAgeMs);
  }

  age(ageMs: number | null): this {
    return this.u32(ageMs === null ? NO_AGE : wholeAgeMs(ageMs));
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length + more);
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

export class ByteReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#advance(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4));
  }

  u48(): number {
    return getUint48(this.#view, this.#advance(6));
  }

  /** A generation: below 2^53. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8)));
  }

  bytes(length: number): Buffer {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A copy: what is kept of a reply must not hold on to all of it. */
  short(): Uint8Array {
    return new Uint8Array(this.bytes(this.u8()));
  }

  text(): string {
    return this.bytes(this.u16()).toString();
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  /** Of a flow whose identity is known. */
  storedState(identity: Identity): StoredFlow {
    return { identity, flags: this.u8(), reset: this.u8() === 1, lifeMs: this.u32() };
  }

  /** `asked`: the outside endpoint that the question named; the answer then does not repeat it. */
  storedEntry(asked: SocketAddress | null): StoredEntry {
    const which = this.u8();
    const lifeMs = this.u32();
    const further = which === FURTHER ? { ...this.#record(), lifeMs } : null;
    const outsideBytes = this.short();
    const outside = outsideBytes.length === 0 ? asked : unpackSocketAddress(outsideBytes);
    if (outside === null) throw new RangeError('the store answered no outside endpoint');
    // A copy: what is kept of a reply must not hold on to all of it.
    const row = unpackBoundRow(new Uint8Array(this.rest()));
    const first = which === FIRST && row.first !== null ? flowOf(row.first, lifeMs) : null;
    return { ...entryOf(row, outside, lifeMs), flow: further ?? first };
  }

  /** A row on its own, with its length in front: the binding, or its only flow. */
  listedFlow(outside: SocketAddress): ListedFlow {
    const lifeMs = this.u32();
    const row = unpackBoundRow(this.short());
    const flow = row.first === null ? null : flowOf(row.first, lifeMs);
    return { remote: row.first?.remote ?? null, entry: { ...entryOf(row, outside, lifeMs), flow } };
  }

  /** As it is stored, but for its instants: those are the store's own. */
  #record(): Omit<StoredFlow, 'lifeMs'> {
    const identity = { generation: this.u64(), nonce: this.u32() };
    const flags = this.u8();
    const seenMs = this.u48();
    return { identity, flags, reset: this.u48() > seenMs };
  }

  #advance(length: number): number {
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

function entryOf({ identity, inside, state }: BoundRow, outside: SocketAddress, lifeMs: number) {
  const binding = { identity, flags: state?.flags ?? 0, reset: isReset(state), lifeMs };
  return { inside, outside, binding };
}

function flowOf(first: FlowRecord, lifeMs: number): StoredFlow {
  const { generation, nonce, flags } = first;
  return { identity: { generation, nonce }, flags, reset: isReset(first), lifeMs };
}

function isReset(state: FlowState | null): boolean {
  return state !== null && state.rstMs > state.seenMs;
}
