/**
 * What every packet reads of a flow: both keys, the outside endpoint and the deadline, side by
 * side in 32 bytes, so that a lookup costs one cache line beside the index.
 *
 * ```
 *  word  0                   1                2                 3
 *        +-------------------+----------------+-----------------+--------------------------+
 *        | domain, protocol  | inside address | remote address  | inside port, remote port |
 *        +-------------------+----------------+-----------------+--------------------------+
 *        | outside address   | remote port, outside port        | deadlineMs (float64)     |
 *        +-------------------+----------------------------------+--------------------------+
 *  word  4                   5                                  6 and 7
 *
 *  outbound key: OUTSIDE_DOMAIN never; words 0, 1, 2, 3
 *  inbound key:  OUTSIDE_DOMAIN and the protocol; words 2, 4, 5
 * ```
 *
 * The words are signed 32-bit integers: V8 keeps those unboxed wherever they travel.
 */
import { OUTSIDE_DOMAIN } from '@flowstore/flow';

export const ROW_WORDS = 8;
export const INSIDE_ADDRESS = 1;
export const REMOTE_ADDRESS = 2;
export const INSIDE_PORTS = 3;
export const OUTSIDE_ADDRESS = 4;
export const OUTSIDE_PORTS = 5;
const ROW_BYTES = ROW_WORDS * 4;
const ROW_DOUBLES = ROW_BYTES / 8;
const DEADLINE = 3;

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

export class Rows {
  readonly words: Int32Array;
  readonly #doubles: Float64Array;

  constructor(slots: number) {
    const buffer = new ArrayBuffer(slots * ROW_BYTES);
    this.words = new Int32Array(buffer);
    this.#doubles = new Float64Array(buffer);
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

  deadlineMs(slot: number): number {
    return this.#doubles[slot * ROW_DOUBLES + DEADLINE]!;
  }

  setDeadlineMs(slot: number, deadlineMs: number): void {
    this.#doubles[slot * ROW_DOUBLES + DEADLINE] = deadlineMs;
  }
}

/** Word 0 of an inbound key. */
export function outsideWord(protocol: number): number {
  return (OUTSIDE_DOMAIN << 8) | protocol;
}
