/**
 * Looks ahead at the packets of a batch, so that the table's cache misses overlap: packets that
 * were read together are announced, and what their lookups will read is fetched for all of them
 * at once, before the first is processed. Nothing depends on it but time.
 *
 * ```
 *   one by one   index.....row.....  index.....row.....  index.....row.....
 *   announced    index.....row.....
 *                index.....row.....        (a row's place is known once its index line is there)
 *                index.....row.....
 * ```
 */
import type { FlowWidths } from '@flowstore/flow';
import { type FlowTable, PREFETCH_MAX } from '@flowstore/flow-table';
import { isLaterFragment, Malformed, Packet, parseIpv4 } from '@flowstore/nat';
import { domainOf, type FrameMemory, IP_OFFSET, type Side } from './frame.ts';
import { KEY_WORDS, writeKey } from './packet-key.ts';

/** Fewer packets than this have too little to overlap. */
const WORTHWHILE_MIN = 4;

export class Foresight {
  readonly #table: FlowTable;
  readonly #flowsMin: number;
  readonly #widths: FlowWidths;
  readonly #packet = new Packet();
  readonly #keys = new Int32Array(PREFETCH_MAX * KEY_WORDS);
  #count = 0;

  /** Tables of fewer than `flowsMin` flows are taken to be in the cache. */
  constructor(table: FlowTable, flowsMin: number, widths: FlowWidths) {
    this.#table = table;
    this.#widths = widths;
    this.#flowsMin = flowsMin;
  }

  /** A packet that will be processed soon; what can't be parsed is left to whoever counts it. */
  announce(side: Side, memory: FrameMemory, offset: number, length: number): void {
    if (this.#table.size < this.#flowsMin) return;
    const packet = this.#packet;
    packet.domain = domainOf(side, memory);
    const available = length - IP_OFFSET;
    const malformed = parseIpv4(memory.view, offset + IP_OFFSET, available, packet);
    if (malformed !== Malformed.None || isLaterFragment(packet)) return;
    const at = this.#count * KEY_WORDS;
    writeKey(side, packet, this.#widths, this.#keys, at);
    this.#count++;
    if (this.#count === PREFETCH_MAX) this.look();
  }

  /** Before the first of them is processed. */
  look(): void {
    if (this.#count >= WORTHWHILE_MIN) this.#table.prefetch(this.#keys, this.#count);
    this.#count = 0;
  }
}
