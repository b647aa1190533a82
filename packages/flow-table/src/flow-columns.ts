/**
 * What a flow table knows of each flow, by slot. A column has room for all flows at once: slots
 * are used from the bottom, and pages that were never written cost no memory, so growth has nothing
 * to copy, and the arrays are the same for the table's whole life. Slot 0 is nobody's.
 *
 * ```
 *  bytes per flow: row 64, traffic 16, generation 8, nonce 4; rstMs 8 where an RST was seen
 *                  (flow-table.ts adds its list links 8, flow-index.ts 23 to 31)
 * ```
 */
import { NEVER } from '@flowstore/flow';
import { INSIDE6, OUTSIDE6, REMOTE6 } from './addresses6.ts';
import type { FlowFacts, FlowInput, FlowInput6 } from './flow-input.ts';
import {
  CONFIRMED,
  INSIDE_ADDRESS,
  INSIDE_PORTS,
  OUTSIDE_ADDRESS,
  OUTSIDE_PORTS,
  REMOTE_ADDRESS,
  ROW_DOUBLES,
  ROW_WORDS,
  Rows,
  SEEN,
  STATE,
  TOUCH_DUE,
} from './rows.ts';
import { type Direction, Traffic } from './traffic.ts';

export class FlowColumns {
  readonly traffic: Traffic;
  protected readonly rows: Rows;
  readonly #generation: Float64Array;
  readonly #nonce: Uint32Array;
  readonly #rstMs: Float64Array;

  constructor(slots: number) {
    this.traffic = new Traffic(slots);
    this.rows = new Rows(slots);
    this.#generation = new Float64Array(slots);
    this.#nonce = new Uint32Array(slots);
    this.#rstMs = new Float64Array(slots);
  }

  domain(slot: number): number {
    return this.rows.words[slot * ROW_WORDS]! >>> 8;
  }

  protocol(slot: number): number {
    return this.rows.words[slot * ROW_WORDS]! & 0xff;
  }

  insideAddress(slot: number): number {
    return this.rows.words[slot * ROW_WORDS + INSIDE_ADDRESS]! >>> 0;
  }

  insidePort(slot: number): number {
    return this.rows.words[slot * ROW_WORDS + INSIDE_PORTS]! >>> 16;
  }

  remoteAddress(slot: number): number {
    return this.rows.words[slot * ROW_WORDS + REMOTE_ADDRESS]! >>> 0;
  }

  remotePort(slot: number): number {
    return this.rows.words[slot * ROW_WORDS + INSIDE_PORTS]! & 0xffff;
  }

  outsideAddress(slot: number): number {
    return this.rows.words[slot * ROW_WORDS + OUTSIDE_ADDRESS]! >>> 0;
  }

  outsidePort(slot: number): number {
    return this.rows.words[slot * ROW_WORDS + OUTSIDE_PORTS]! & 0xffff;
  }

  /** -Infinity once the row is Expired. */
  deadlineMs(slot: number): number {
    return this.rows.deadlineMs(slot);
  }

  generation(slot: number): number {
    return this.#generation[slot]!;
  }

  nonce(slot: number): number {
    return this.#nonce[slot]!;
  }

  // What a put wrote here is the caller's to read and write from then on.

  /** What was seen of the connection: eight bits. */
  flags(slot: number): number {
    return this.rows.words[slot * ROW_WORDS + STATE]! & 0xff;
  }

  setFlags(slot: number, flags: number): void {
    const at = slot * ROW_WORDS + STATE;
    this.rows.words[at] = (this.rows.words[at]! & ~0xff) | (flags & 0xff);
  }

  /** Sixteen bits of the caller's. */
  marks(slot: number): number {
    return (this.rows.words[slot * ROW_WORDS + STATE]! >>> 8) & 0xffff;
  }

  setMarks(slot: number, marks: number): void {
    const at = slot * ROW_WORDS + STATE;
    this.rows.words[at] = (this.rows.words[at]! & ~0xffff00) | ((marks & 0xffff) << 8);
  }

  seenMs(slot: number): number {
    return this.rows.doubles[slot * ROW_DOUBLES + SEEN]!;
  }

  setSeenMs(slot: number, atMs: number): void {
    this.rows.doubles[slot * ROW_DOUBLES + SEEN] = atMs;
  }

  confirmedMs(slot: number): number {
    return this.rows.doubles[slot * ROW_DOUBLES + CONFIRMED]!;
  }

  setConfirmedMs(slot: number, atMs: number): void {
    this.rows.doubles[slot * ROW_DOUBLES + CONFIRMED] = atMs;
  }

  touchDueMs(slot: number): number {
    return this.rows.doubles[slot * ROW_DOUBLES + TOUCH_DUE]!;
  }

  setTouchDueMs(slot: number, atMs: number): void {
    this.rows.doubles[slot * ROW_DOUBLES + TOUCH_DUE] = atMs;
  }

  rstMs(slot: number): number {
    return this.#rstMs[slot]!;
  }

  setRstMs(slot: number, atMs: number): void {
    // Few flows ever see an RST: reading an untouched page costs no memory, writing a zero would.
    if (this.#rstMs[slot] !== atMs) this.#rstMs[slot] = atMs;
  }

  /** Counts one packet of so many bytes. */
  count(slot: number, direction: Direction, bytes: number): void {
    this.traffic.count(slot, direction, bytes);
  }

  isIpv6(slot: number): boolean {
    return this.rows.isIpv6(slot);
  }

  /** A copy of an IPv4 row, for people, for tests, or to be put again with a new deadline. */
  flowAt(slot: number): FlowInput {
    return {
      insideAddress: this.insideAddress(slot),
      remoteAddress: this.remoteAddress(slot),
      outsideAddress: this.outsideAddress(slot),
      ...this.#factsAt(slot),
    };
  }

  /** The same of an IPv6 row. */
  flow6At(slot: number): FlowInput6 {
    const { addresses6 } = this.rows;
    const entry = this.rows.entry6(slot);
    return {
      insideAddress: addresses6.get(entry, INSIDE6),
      remoteAddress: addresses6.get(entry, REMOTE6),
      outsideAddress: addresses6.get(entry, OUTSIDE6),
      ...this.#factsAt(slot),
    };
  }

  /** All but the keys; `family` is 0 or IPV6_BIT. */
  protected fillColumns(slot: number, flow: FlowFacts, family: number, isFirstUse: boolean): void {
    const { words, doubles } = this.rows;
    const marks = (flow.marks ?? 0) & 0xffff;
    words[slot * ROW_WORDS + STATE] = family | (marks << 8) | (flow.flags & 0xff);
    const base = slot * ROW_DOUBLES;
    doubles[base + SEEN] = flow.seenMs;
    doubles[base + CONFIRMED] = flow.confirmedMs ?? 0;
    doubles[base + TOUCH_DUE] = flow.touchDueMs ?? 0;
    this.#generation[slot] = flow.generation;
    this.#nonce[slot] = flow.nonce;
    if (!isFirstUse || flow.rstMs !== NEVER) this.setRstMs(slot, flow.rstMs);
  }

  #factsAt(slot: number) {
    return {
      domain: this.domain(slot),
      protocol: this.protocol(slot),
      insidePort: this.insidePort(slot),
      remotePort: this.remotePort(slot),
      outsidePort: this.outsidePort(slot),
      generation: this.generation(slot),
      nonce: this.nonce(slot),
      flags: this.flags(slot),
      seenMs: this.seenMs(slot),
      rstMs: this.rstMs(slot),
      deadlineMs: this.deadlineMs(slot),
      confirmedMs: this.confirmedMs(slot),
      touchDueMs: this.touchDueMs(slot),
      marks: this.marks(slot),
    };
  }
}
