import { DropReader, openPacketSocket } from './af-packet-socket.ts';
import { PacketIoError } from './error.ts';
import { FRAME_BYTES_MAX, FRAME_BYTES_MIN, type FrameMemory } from './frame.ts';
import { MessageBatch } from './mmsg.ts';
import { allocateNative, ERRNO, type Native, type NativeMemory, native } from './native.ts';
import { createWireCounters, type Wire, type WireCounters } from './wire.ts';

export interface AfPacketOptions {
  readonly interfaceName: string;
  /** Frames per system call, both ways; 1 to 1024. */
  readonly batchMax?: number;
  /** What the kernel may keep for us; a frame of 60 bytes takes about 1 KiB of it. */
  readonly receiveBufferBytes?: number;
  readonly sendBufferBytes?: number;
}

/** The kernel takes no more in one call (UIO_MAXIOV). */
const BATCH_LIMIT = 1024;

/**
 * Distance of two frames in the receive memory: room for the largest, and an odd number of cache
 * lines, so that the headers of a batch spread over the sets of the first-level cache. With
 * 64 KiB they would all fall into one set.
 */
const SLOT_BYTES = 66_112;
if (SLOT_BYTES < FRAME_BYTES_MAX || (SLOT_BYTES / 64) % 2 !== 1) throw new Error('SLOT_BYTES');

/** Frames in plain memory are copied here until flush(): four of the largest, or many small. */
const SCRATCH_BYTES = 4 * SLOT_BYTES;

/** A full way out is waited for so often per flush(), so long each time: at most 8 ms in all. */
const SEND_WAITS_MAX = 8;
const SEND_WAIT_MS = 1;

const MSG_DONTWAIT = 0x40;
const POLLOUT = 4;

/**
 * Opens an interface for frames: IPv4, untagged, addressed to the interface's own MAC. Throws
 * PacketIoError when that is not possible here. The interface may go down and come back; when it
 * is deleted, the wire stays silent (and its sends count as errors) until it is opened anew.
 */
export function openAfPacket(options: AfPacketOptions): Wire {
  const { interfaceName, batchMax = 64 } = options;
  if (!Number.isInteger(batchMax) || batchMax < 1 || batchMax > BATCH_LIMIT) {
    throw new PacketIoError('PACKET_IO_ARGUMENT', `batchMax is 1 to ${BATCH_LIMIT}`);
  }
  const { receiveBufferBytes = 32 << 20, sendBufferBytes = 8 << 20 } = options;
  const fd = openPacketSocket({ interfaceName, receiveBufferBytes, sendBufferBytes });
  return new AfPacketWire(interfaceName, fd, batchMax);
}

class AfPacketWire implements Wire {
  readonly name: string;
  fd: number;
  readonly memory: NativeMemory;
  private readonly calls: Native = native();
  private readonly counts: WireCounters = createWireCounters();
  private readonly dropReader = new DropReader();

  private readonly incoming: MessageBatch;
  private readonly offsets: Int32Array;
  private readonly lengths: Int32Array;

  private readonly outgoing: MessageBatch;
  private queued = 0;
  private readonly scratch: NativeMemory = allocateNative(SCRATCH_BYTES);
  private scratchUsed = 0;
  private readonly pollOut: NativeMemory = allocateNative(8);

  constructor(name: string, fd: number, batchMax: number) {
    this.name = name;
    this.fd = fd;
    this.memory = allocateNative(batchMax * SLOT_BYTES);
    this.incoming = new MessageBatch(batchMax);
    this.outgoing = new MessageBatch(batchMax);
    this.offsets = new Int32Array(batchMax);
    this.lengths = new Int32Array(batchMax);
    for (let k = 0; k < batchMax; k++) {
      this.incoming.point(k, this.memory.address + k * SLOT_BYTES, SLOT_BYTES);
    }
    this.pollOut.view.setInt32(0, fd, true);
    this.pollOut.view.setInt16(4, POLLOUT, true);
  }

  receive(): number {
    const { incoming, counts } = this;
    const got = this.calls.recvmmsg(this.fd, incoming.address(0), incoming.max, MSG_DONTWAIT, 0);
    if (got <= 0) {
      if (got < 0) this.receiveFailed(this.calls.errno());
      return 0;
    }
    let kept = 0;
    let bytesCount = 0;
    for (let k = 0; k < got; k++) {
      const length = incoming.received(k);
      if (incoming.truncated(k) || length < FRAME_BYTES_MIN) {
        counts.rxTruncated++;
        continue;
      }
      this.offsets[kept] = k * SLOT_BYTES;
      this.lengths[kept] = length;
      bytesCount += length;
      kept++;
    }
    counts.rxFrames += kept;
    counts.rxBytes += bytesCount;
    return kept;
  }

  offset(k: number): number {
    return this.offsets[k];
  }

  length(k: number): number {
    return this.lengths[k];
  }

  send(memory: FrameMemory, offset: number, length: number): void {
    if (length < FRAME_BYTES_MIN || length > FRAME_BYTES_MAX) {
      this.counts.txErrors++;
      return;
    }
    if (this.queued === this.outgoing.max) this.flush();
    let address = memory.address + offset;
    if (memory.address === 0) {
      if (this.scratchUsed + length > SCRATCH_BYTES) this.flush();
      this.scratch.bytes.set(memory.bytes.subarray(offset, offset + length), this.scratchUsed);
      address = this.scratch.address + this.scratchUsed;
      this.scratchUsed += length;
    }
    this.outgoing.point(this.queued++, address, length);
  }

  flush(): void {
    const { outgoing, counts, queued } = this;
    let waits = 0;
    let next = 0;
    while (next < queued) {
      const count = queued - next;
      const sent = this.calls.sendmmsg(this.fd, outgoing.address(next), count, MSG_DONTWAIT);
      if (sent > 0) {
        for (let k = next; k < next + sent; k++) counts.txBytes += outgoing.pointedBytes(k);
        counts.txFrames += sent;
        next += sent;
        continue;
      }
      const errno = this.calls.errno();
      if (errno === ERRNO.EINTR) continue;
      counts.lastErrno = errno;
      if ((errno === ERRNO.EAGAIN || errno === ERRNO.ENOBUFS) && waits++ < SEND_WAITS_MAX) {
        // EAGAIN: our send buffer is full, this waits for room. ENOBUFS: the device's queue is;
        // then poll returns at once and the retry itself gives it the time of a system call.
        this.calls.poll(this.pollOut.address, 1, SEND_WAIT_MS);
        continue;
      }
      next += this.giveUp(errno, count);
    }
    this.queued = 0;
    this.scratchUsed = 0;
  }

  /** Counts what can't be sent; returns how many frames that is: one, or all that is left. */
  private giveUp(errno: number, count: number): number {
    if (errno === ERRNO.EAGAIN || errno === ERRNO.ENOBUFS) {
      this.counts.txDropped += errno === ERRNO.EAGAIN ? count : 1;
      return errno === ERRNO.EAGAIN ? count : 1;
    }
    if (errno === ERRNO.ENETDOWN || errno === ERRNO.ENXIO || errno === ERRNO.ENODEV) {
      this.counts.linkDowns++;
      this.counts.txErrors += count;
      return count;
    }
    this.counts.txErrors++;
    return 1;
  }

  private receiveFailed(errno: number): void {
    if (errno === ERRNO.EAGAIN || errno === ERRNO.EINTR) return;
    // The kernel says ENETDOWN once and goes on by itself when the interface is up again.
    if (errno === ERRNO.ENETDOWN) this.counts.linkDowns++;
    else this.counts.rxErrors++;
    this.counts.lastErrno = errno;
  }

  get counters(): Readonly<WireCounters> {
    if (this.fd >= 0) this.counts.rxDropped += this.dropReader.read(this.fd);
    return this.counts;
  }

  close(): void {
    if (this.fd < 0) return;
    this.counts.rxDropped += this.dropReader.read(this.fd);
    this.calls.close(this.fd);
    // System calls on -1 fail with EBADF and are counted: a late receive() finds nothing.
    this.fd = -1;
    this.queued = 0;
    this.scratchUsed = 0;
  }
}
