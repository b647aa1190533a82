import { allocateNative, type NativeMemory } from './native.ts';

/**
 * The arguments of recvmmsg and sendmmsg: an array of headers, each with one piece of memory.
 *
 * ```
 *  struct mmsghdr, 64 bytes                       struct iovec, 16 bytes
 *  +0   name        u64  (0)                      +0  base    u64
 *  +8   name bytes  u32  (0)                      +8  length  u64
 *  +16  iov         u64 ---- points to ---------> one per header, behind the headers
 *  +24  iov count   u64  (1)
 *  +32  control     u64  (0)
 *  +40  control bytes u64 (0)
 *  +48  flags       i32  (out: MSG_TRUNC)
 *  +56  length      u32  (out: bytes received or sent)
 * ```
 */
const HEADER_BYTES = 64;
const IOVEC_BYTES = 16;
const HEADER_WORDS = HEADER_BYTES / 4;
const IOVEC_WORDS = IOVEC_BYTES / 4;
const IOV_WORD = 16 / 4;
const IOV_COUNT_WORD = 24 / 4;
const FLAGS_WORD = 48 / 4;
const LENGTH_WORD = 56 / 4;
const MSG_TRUNC = 0x20;
const TWO_32 = 2 ** 32;

export class MessageBatch {
  readonly max: number;
  private readonly memory: NativeMemory;
  private readonly words: Uint32Array;
  private readonly iovecs: number;

  constructor(max: number) {
    this.max = max;
    this.memory = allocateNative(max * (HEADER_BYTES + IOVEC_BYTES));
    this.words = this.memory.words;
    this.iovecs = max * HEADER_WORDS;
    for (let k = 0; k < max; k++) {
      const iovec = this.memory.address + (this.iovecs + k * IOVEC_WORDS) * 4;
      const header = k * HEADER_WORDS;
      this.words[header + IOV_WORD] = iovec % TWO_32;
      this.words[header + IOV_WORD + 1] = Math.floor(iovec / TWO_32);
      this.words[header + IOV_COUNT_WORD] = 1;
    }
  }

  /** Where header k is, for the system call. */
  address(k: number): number {
    return this.memory.address + k * HEADER_BYTES;
  }

  /** Points message k at memory. */
  point(k: number, address: number, bytesCount: number): void {
    const at = this.iovecs + k * IOVEC_WORDS;
    // `>>> 0` takes the low 32 bits of any integer that a double holds.
    this.words[at] = address >>> 0;
    this.words[at + 1] = Math.floor(address / TWO_32);
    this.words[at + 2] = bytesCount;
  }

  /** Bytes that message k points at. */
  pointedBytes(k: number): number {
    return this.words[this.iovecs + k * IOVEC_WORDS + 2];
  }

  /** Bytes that the kernel put into message k. */
  received(k: number): number {
    return this.words[k * HEADER_WORDS + LENGTH_WORD];
  }

  /** True when message k was longer than its memory. */
  truncated(k: number): boolean {
    return (this.words[k * HEADER_WORDS + FLAGS_WORD] & MSG_TRUNC) !== 0;
  }
}
