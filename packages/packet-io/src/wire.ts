import type { FrameMemory } from './frame.ts';

/** What a wire counted since it was opened. Plain numbers; they only grow. */
export interface WireCounters {
  rxFrames: number;
  /** Bytes as in `length()`: the virtio-net header is included. */
  rxBytes: number;
  /** Frames longer than a slot or shorter than their headers: not handed out. */
  rxTruncated: number;
  /** Frames lost before they were read: the receive buffer or the queue was full. */
  rxDropped: number;
  /** Failed reads, other than "nothing there". */
  rxErrors: number;
  txFrames: number;
  txBytes: number;
  /** Frames that could not be sent because something is wrong (too long, no such device, ..). */
  txErrors: number;
  /** Frames given up because the way out stayed full. */
  txDropped: number;
  /** How often a read or a send found the interface down. */
  linkDowns: number;
  /** The last system error, by number (errno); 0 when there was none. */
  lastErrno: number;
}

/** One link: a source and sink of frames in batches. Never blocks. */
export interface Wire {
  readonly name: string;
  /** What to wait on (poll, readable); -1 when there is no file descriptor. */
  readonly fd: number;
  /**
   * Reads up to one batch; returns the number of frames. They stay valid until the next
   * receive() of this wire: whoever sends them on without a copy flushes before that.
   */
  receive(): number;
  /** Where the received frames are. */
  readonly memory: FrameMemory;
  /** Offset of frame k in `memory`; a multiple of 4. */
  offset(k: number): number;
  /** Bytes of frame k: virtio-net header, Ethernet, IP packet. */
  length(k: number): number;
  /**
   * Queues a whole frame for sending. Native memory (address != 0) is sent without a copy and
   * must stay untouched until flush(); plain memory is copied now, into a bounded area. A full
   * queue flushes by itself.
   */
  send(memory: FrameMemory, offset: number, length: number): void;
  /** Sends what is queued. What the kernel refuses is dropped and counted. */
  flush(): void;
  /** One object for the wire's life. Reading the property brings `rxDropped` up to date. */
  readonly counters: Readonly<WireCounters>;
  /** Idempotent. Frames still queued are forgotten; afterwards nothing is received or sent. */
  close(): void;
}

export function createWireCounters(): WireCounters {
  return {
    rxFrames: 0,
    rxBytes: 0,
    rxTruncated: 0,
    rxDropped: 0,
    rxErrors: 0,
    txFrames: 0,
    txBytes: 0,
    txErrors: 0,
    txDropped: 0,
    linkDowns: 0,
    lastErrno: 0,
  };
}
