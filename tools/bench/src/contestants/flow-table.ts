/** This table, with its wheel or with another expiry strategy. Polled as a gateway does. */
import { FlowTable, type FlowTableOptions, NONE, PREFETCH_MAX } from '@flowstore/flow-table';
import {
  type Deadlines,
  INBOUND_WORD,
  insideAddress,
  insidePort,
  insidePorts,
  OUTBOUND_WORD,
  outsideAddress,
  outsidePort,
  outsidePorts,
  REMOTE_PORT,
  remoteAddress,
} from '../workload.ts';
import { type Contestant, clockMs } from './contestant.ts';

/** No purge: the mark is above all sizes. */
const HIGH_WATER_MAX = 20_000_000;

export class FlowTableContestant implements Contestant {
  readonly #deadlines: Deadlines;
  readonly #table: FlowTable;
  readonly #keys = new Int32Array(4 * PREFETCH_MAX);

  constructor(deadlines: Deadlines, expiry: NonNullable<FlowTableOptions['expiry']>) {
    this.#deadlines = deadlines;
    this.#table = new FlowTable({
      seed: 0x5eed,
      nowMs: clockMs(),
      highWaterMax: HIGH_WATER_MAX,
      expiry,
    });
  }

  get size(): number {
    return this.#table.size;
  }

  insert(n: number, nowMs: number): void {
    this.#table.put(
      {
        domain: 0,
        protocol: OUTBOUND_WORD,
        insideAddress: insideAddress(n),
        insidePort: insidePort(n),
        remoteAddress: remoteAddress(n),
        remotePort: REMOTE_PORT,
        outsideAddress: outsideAddress(n),
        outsidePort: outsidePort(n),
        generation: 1_700_000_000_000_000 + n,
        nonce: n,
        flags: 1,
        seenMs: nowMs,
        rstMs: 0,
        deadlineMs: this.#deadlines.of(n),
      },
      nowMs,
    );
  }

  announce(numbers: Uint32Array, from: number, to: number): void {
    const keys = this.#keys;
    for (let i = from, at = 0; i < to; i++, at += 4) {
      const n = numbers[i]!;
      const isInbound = (i & 1) === 1;
      const remote = remoteAddress(n);
      keys[at] = isInbound ? INBOUND_WORD : OUTBOUND_WORD;
      keys[at + 1] = isInbound ? remote : insideAddress(n);
      keys[at + 2] = isInbound ? outsideAddress(n) : remote;
      keys[at + 3] = isInbound ? outsidePorts(n) : insidePorts(n);
    }
    this.#table.prefetch(keys, to - from);
  }

  touch(n: number, isInbound: boolean, nowMs: number): boolean {
    const table = this.#table;
    const remote = remoteAddress(n);
    // One call, as by whoever has read the words out of a packet.
    const slot = table.find(
      isInbound ? INBOUND_WORD : OUTBOUND_WORD,
      isInbound ? remote : insideAddress(n),
      isInbound ? outsideAddress(n) : remote,
      isInbound ? outsidePorts(n) : insidePorts(n),
      nowMs,
    );
    if (slot === NONE) return false;
    table.setSeenMs(slot, nowMs);
    table.extend(slot, this.#deadlines.of(n));
    return true;
  }

  poll(nowMs: number): void {
    const table = this.#table;
    const count = table.poll(nowMs);
    for (let i = 0; i < count; i++) table.remove(table.expiredSlotOf(table.due[i]!));
  }

  close(): void {
    for (let slot = this.#table.nextSlot(0); slot !== NONE; slot = this.#table.nextSlot(slot)) {
      this.#table.remove(slot);
    }
  }
}
