/**
 * What a flow table knows of each flow, by slot. A column has room for all flows at once: slots
 * are used from the bottom, and pages that were never written cost no memory, so growth has nothing
 * to copy, and the arrays are the same for the table's whole life. Slot 0 is nobody's.
 *
 * ```
 *  bytes per flow: row 32, generation 8, nonce 4, flags 1, marks 1, four instants 32, traffic 24
 *                  (flow-table.ts adds its status 4 and list links 8, flow-index.ts 10 to 20)
 * ```
 */
import type { FlowInput } from './flow-input.ts';
import {
  INSIDE_ADDRESS,
  INSIDE_PORTS,
  OUTSIDE_ADDRESS,
  OUTSIDE_PORTS,
  REMOTE_ADDRESS,
  ROW_WORDS,
  Rows,
} from './rows.ts';
import { type Direction, Traffic } from './traffic.ts';

export class FlowColumns {
  // What a put wrote here is the caller's to read and write from then on.
  readonly flags: Uint8Array;
  readonly marks: Uint8Array;
  readonly nonce: Uint32Array;
  readonly generation: Float64Array;
  readonly seenMs: Float64Array;
  readonly rstMs: Float64Array;
  readonly confirmedMs: Float64Array;
  readonly touchDueMs: Float64Array;
  readonly traffic: Traffic;
  protected readonly rows: Rows;

  constructor(slots: number) {
    this.flags = new Uint8Array(slots);
    this.marks = new Uint8Array(slots);
    this.nonce = new Uint32Array(slots);
    this.generation = new Float64Array(slots);
    this.seenMs = new Float64Array(slots);
    this.rstMs = new Float64Array(slots);
    this.confirmedMs = new Float64Array(slots);
    this.touchDueMs = new Float64Array(slots);
    this.traffic = new Traffic(slots);
    this.rows = new Rows(slots);
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

  /** Counts one packet of so many bytes. */
  count(slot: number, direction: Direction, bytes: number): void {
    this.traffic.count(slot, direction, bytes);
  }

  /** A copy of a stored row, for people, for tests, or to be put again with a new deadline. */
  flowAt(slot: number): FlowInput {
    return {
      domain: this.domain(slot),
      protocol: this.protocol(slot),
      insideAddress: this.insideAddress(slot),
      insidePort: this.insidePort(slot),
      remoteAddress: this.remoteAddress(slot),
      remotePort: this.remotePort(slot),
      outsideAddress: this.outsideAddress(slot),
      outsidePort: this.outsidePort(slot),
      generation: this.generation[slot]!,
      nonce: this.nonce[slot]!,
      flags: this.flags[slot]!,
      seenMs: this.seenMs[slot]!,
      rstMs: this.rstMs[slot]!,
      deadlineMs: this.deadlineMs(slot),
      confirmedMs: this.confirmedMs[slot]!,
      touchDueMs: this.touchDueMs[slot]!,
      marks: this.marks[slot]!,
    };
  }

  protected fillColumns(slot: number, flow: FlowInput): void {
    this.rows.write(slot, flow);
    this.generation[slot] = flow.generation;
    this.nonce[slot] = flow.nonce;
    this.flags[slot] = flow.flags;
    this.marks[slot] = flow.marks ?? 0;
    this.seenMs[slot] = flow.seenMs;
    this.confirmedMs[slot] = flow.confirmedMs ?? 0;
    this.touchDueMs[slot] = flow.touchDueMs ?? 0;
    // Few flows ever see an RST: reading an untouched page costs no memory, writing a zero would.
    if (this.rstMs[slot] !== flow.rstMs) this.rstMs[slot] = flow.rstMs;
  }
}
