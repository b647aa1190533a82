/**
 * What every packet reads and writes of a flow but its traffic, side by side in 64 bytes: one cache
 * line. A lookup costs that line and one of the index.
 *
 * ```
 *  word  0                   1                2                 3
 *        +-------------------+----------------+-----------------+--------------------------+
 *        | domain, protocol  | inside address | remote address  | inside port, remote port |
 *        +-------------------+----------------+-----------------+-------------+------------+
 *        | outside address   | remote port, outside port        | marks, flags | life      |
 *        +-------------------+----------------+-----------------+-------------+------------+
 *  word  4                   5                                  6              7
 *        +------------------------------------+--------------------------------------------+
 *        | deadlineMs                         | seenMs                                     |
 *        +------------------------------------+--------------------------------------------+
 *        | confirmedMs                        | touchDueMs                                 |
 *        +------------------------------------+--------------------------------------------+
 *  word  12 (double 6)                        14 (double 7)
 *
 *  outbound key: OUTSIDE_DOMAIN never; words 0, 1, 2, 3
 *  inbound key:  OUTSIDE_DOMAIN and the protocol; words 2, 4, 5
 * ```
 *
 * The words are signed 32-bit integers: V8 keeps those unboxed wherever they travel. `life` is the
 * slot's incarnation and status (slots.ts). Of an IPv6 flow, word 1 says where its addresses are
 * kept (addresses6.ts), and words 2 and 4 nothing.
 */
import { type IpAddress, OUTSIDE_DOMAIN } from '@flowstore/flow';
import { Addresses6, INSIDE6, OUTSIDE6, REMOTE6 } from './addresses6.ts';

export const ROW_WORDS = 16;
export const INSIDE_ADDRESS = 1;
export const REMOTE_ADDRESS = 2;
export const INSIDE_PORTS = 3;
export const OUTSIDE_ADDRESS = 4;
export const OUTSIDE_PORTS = 5;
export const STATE = 6;
export const LIFE = 7;
/** Beside flags and marks: the row is an IPv6 flow's. */
export const IPV6_BIT = 1 << 24;
const ROW_BYTES = ROW_WORDS * 4;
export const ROW_DOUBLES = ROW_BYTES / 8;
const DEADLINE = 4;
export const SEEN = 5;
export const CONFIRMED = 6;
export const TOUCH_DUE = 7;

/**
 * Where row 0 begins in its buffer. An allocation of this size is a mapping of its own, and malloc
 * keeps the first 16 bytes: so rows are aligned with cache lines. Elsewhere they may not be, which
 * costs time and nothing else.
 */
const ALIGNMENT_BYTES = ROW_BYTES - 16;

export interface FlowKeys {
  readonly domain: number;
  readonly protocol: number;
  /** Addresses are unsigned 32-bit numbers. */
  readonly insideAddress: number;
  readonly insidePort: number;
  readonly remoteAddress: number;
  readonly remotePort: number;
  readonly outsideAddress: number;
  readonly outsidePort: number;
}

/** The same of an IPv6 flow: addresses are 16 bytes. */
export interface FlowKeys6 {
  readonly domain: number;
  readonly protocol: number;
  readonly insideAddress: IpAddress;
  readonly insidePort: number;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  readonly outsideAddress: IpAddress;
  readonly outsidePort: number;
}

export class Rows {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly addresses6: Addresses6;

  constructor(slots: number) {
    const buffer = new ArrayBuffer(ALIGNMENT_BYTES + slots * ROW_BYTES);
    this.words = new Int32Array(buffer, ALIGNMENT_BYTES);
    this.doubles = new Float64Array(buffer, ALIGNMENT_BYTES);
    this.addresses6 = new Addresses6(slots);
  }

  write(slot: number, keys: FlowKeys): void {
    const { words } = this;
    const base = slot * ROW_WORDS;
    words[base] = (keys.domain << 8) | keys.protocol;
    words[base + INSIDE_ADDRESS] = keys.insideAddress;
    words[base + REMOTE_ADDRESS] = keys.remoteAddress;
    words[base + INSIDE_PORTS] = (keys.insidePort << 16) | keys.remotePort;
    words[base + OUTSIDE_ADDRESS] = keys.outsideAddress;
    words[base + OUTSIDE_PORTS] = (keys.remotePort << 16) | keys.outsidePort;
  }

  write6(slot: number, keys: FlowKeys6): void {
    const { words, addresses6 } = this;
    const base = slot * ROW_WORDS;
    const entry = addresses6.take();
    addresses6.set(entry, INSIDE6, keys.insideAddress);
    addresses6.set(entry, REMOTE6, keys.remoteAddress);
    addresses6.set(entry, OUTSIDE6, keys.outsideAddress);
    words[base] = (keys.domain << 8) | keys.protocol;
    words[base + INSIDE_ADDRESS] = entry;
    words[base + INSIDE_PORTS] = (keys.insidePort << 16) | keys.remotePort;
    words[base + OUTSIDE_PORTS] = (keys.remotePort << 16) | keys.outsidePort;
  }

  isIpv6(slot: number): boolean {
    return (this.words[slot * ROW_WORDS + STATE]! & IPV6_BIT) !== 0;
  }

  /** Where an IPv6 row's addresses are. */
  entry6(slot: number): number {
    return this.words[slot * ROW_WORDS + INSIDE_ADDRESS]!;
  }

  deadlineMs(slot: number): number {
    return this.doubles[slot * ROW_DOUBLES + DEADLINE]!;
  }

  setDeadlineMs(slot: number, deadlineMs: number): void {
    this.doubles[slot * ROW_DOUBLES + DEADLINE] = deadlineMs;
  }
}

/** Word 0 of an inbound key. */
export function outsideWord(protocol: number): number {
  return (OUTSIDE_DOMAIN << 8) | protocol;
}
