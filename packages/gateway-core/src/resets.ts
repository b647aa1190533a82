/** Answers TCP segments of connections that nobody knows by an RST (RFC 9293, 3.10.7.1). */
import { TCP } from '@flowstore/flow';
import { isReset, type Packet, RESET_BYTES, writeReset } from '@flowstore/nat';
import type { GatewayCounters } from './counters.ts';
import { type FrameMemory, IP_OFFSET, newFrame, Side } from './frame.ts';

export interface ResetsOptions {
  readonly counters: GatewayCounters;
  readonly emit: (side: Side, memory: FrameMemory, length: number) => void;
}

export class Resets {
  readonly #options: ResetsOptions;

  constructor(options: ResetsOptions) {
    this.#options = options;
  }

  /** To the inside host that sent the packet; none to what is no segment, or an RST itself. */
  answer(memory: FrameMemory, packet: Packet): void {
    if (packet.protocol !== TCP || isReset(packet) || packet.embeddedOffset !== 0) return;
    const frame = newFrame(IP_OFFSET + RESET_BYTES, memory.domain);
    writeReset(memory.view, packet, frame.view, IP_OFFSET);
    this.#options.counters.resetsSent++;
    this.#options.emit(Side.Inside, frame, frame.bytes.length);
  }
}
