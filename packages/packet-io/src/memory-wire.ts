import { PacketIoError } from './error.ts';
import { createFrameMemory, FRAME_BYTES_MAX, FRAME_BYTES_MIN, type FrameMemory } from './frame.ts';
import { createWireCounters, type Wire, type WireCounters } from './wire.ts';

export interface MemoryLinkOptions {
  /** Frames on their way in one direction; at the limit further ones are dropped and counted. */
  readonly queueMax?: number;
  /** Frames per receive(). */
  readonly batchMax?: number;
}

/**
 * Two wires: what one sends and flushes, the other receives, in order. A frame travels at flush(),
 * as with a real wire, so that a forgotten flush shows. No clock, no thread, no native code.
 *
 * ```
 *   A.send --copy--> [queue of A->B, at most queueMax] --B.receive--> B.memory
 * ```
 */
export function createMemoryLink(
  nameA: string,
  nameB: string,
  options: MemoryLinkOptions = {},
): [Wire, Wire] {
  const { queueMax = 1024, batchMax = 64 } = options;
  for (const limit of [queueMax, batchMax]) {
    if (!Number.isInteger(limit) || limit < 1) {
      throw new PacketIoError('PACKET_IO_ARGUMENT', 'queueMax and batchMax are 1 or more');
    }
  }
  const toB = new FrameQueue(queueMax);
  const toA = new FrameQueue(queueMax);
  return [new MemoryWire(nameA, toA, toB, batchMax), new MemoryWire(nameB, toB, toA, batchMax)];
}

/** A ring of frames. `sent` are in it, the first `visible` of them were flushed. */
class FrameQueue {
  readonly frames: Uint8Array[];
  closed = false;
  dropped = 0;
  private head = 0;
  private sent = 0;
  private visible = 0;

  constructor(max: number) {
    this.frames = new Array(max);
  }

  push(frame: Uint8Array): boolean {
    if (this.sent === this.frames.length) {
      this.dropped++;
      return false;
    }
    this.frames[(this.head + this.sent++) % this.frames.length] = frame;
    return true;
  }

  publish(): void {
    this.visible = this.sent;
  }

  first(): Uint8Array | undefined {
    return this.visible > 0 ? this.frames[this.head] : undefined;
  }

  shift(): void {
    this.frames[this.head] = EMPTY;
    this.head = (this.head + 1) % this.frames.length;
    this.sent--;
    this.visible--;
  }
}

const EMPTY = new Uint8Array(0);

/** Received frames lie one behind the other; a batch ends when the next might not fit. */
const RECEIVE_BYTES = 4 * (FRAME_BYTES_MAX + 1);

class MemoryWire implements Wire {
  readonly name: string;
  readonly fd = -1;
  readonly memory: FrameMemory = createFrameMemory(RECEIVE_BYTES);
  private readonly counts: WireCounters = createWireCounters();
  private readonly incoming: FrameQueue;
  private readonly outgoing: FrameQueue;
  private readonly offsets: Int32Array;
  private readonly lengths: Int32Array;

  constructor(name: string, incoming: FrameQueue, outgoing: FrameQueue, batchMax: number) {
    this.name = name;
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.offsets = new Int32Array(batchMax);
    this.lengths = new Int32Array(batchMax);
  }

  receive(): number {
    if (this.incoming.closed) return 0;
    let count = 0;
    let at = 0;
    for (;;) {
      const frame = this.incoming.first();
      if (frame === undefined || count === this.offsets.length) break;
      if (at + frame.length > RECEIVE_BYTES) break;
      this.memory.bytes.set(frame, at);
      this.offsets[count] = at;
      this.lengths[count] = frame.length;
      this.counts.rxBytes += frame.length;
      count++;
      at = (at + frame.length + 3) & ~3;
      this.incoming.shift();
    }
    this.counts.rxFrames += count;
    return count;
  }

  offset(k: number): number {
    return this.offsets[k];
  }

  length(k: number): number {
    return this.lengths[k];
  }

  send(memory: FrameMemory, offset: number, length: number): void {
    if (this.outgoing.closed || length < FRAME_BYTES_MIN || length > FRAME_BYTES_MAX) {
      this.counts.txErrors++;
      return;
    }
    if (!this.outgoing.push(memory.bytes.slice(offset, offset + length))) {
      this.counts.txDropped++;
      return;
    }
    this.counts.txFrames++;
    this.counts.txBytes += length;
  }

  flush(): void {
    this.outgoing.publish();
  }

  /** The sender counts what the full queue lost as txDropped, the receiver as rxDropped. */
  get counters(): Readonly<WireCounters> {
    this.counts.rxDropped = this.incoming.dropped;
    return this.counts;
  }

  close(): void {
    this.incoming.closed = true;
    this.outgoing.closed = true;
  }
}
