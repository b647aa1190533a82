/**
 * The system calls, by koffi, and memory that the kernel can be pointed at.
 *
 * koffi is loaded on first use: whoever needs only the memory wire needs neither koffi nor Linux.
 * Addresses are plain numbers: user space ends at 2^47 (2^56 with five-level paging, but the
 * kernel hands such addresses out only to those who ask), so doubles hold them exactly.
 */
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { PacketIoError } from './error.ts';

type Koffi = typeof import('koffi');

export const ERRNO = {
  EPERM: 1,
  EINTR: 4,
  ENXIO: 6,
  EAGAIN: 11,
  EACCES: 13,
  ENODEV: 19,
  ENETDOWN: 100,
  ENOBUFS: 105,
} as const;

/** System calls return -1 and set errno, as in C. Addresses and sizes are numbers. */
export interface Native {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, sockaddr: number, bytes: number): number;
  setsockopt(fd: number, level: number, option: number, value: number, bytes: number): number;
  getsockopt(fd: number, level: number, option: number, value: number, bytes: number): number;
  recvmmsg(fd: number, headers: number, count: number, flags: number, timeout: number): number;
  sendmmsg(fd: number, headers: number, count: number, flags: number): number;
  recvfrom(
    fd: number,
    at: number,
    bytes: number,
    flags: number,
    sockaddr: number,
    sockaddrBytes: number,
  ): number;
  send(fd: number, at: number, bytes: number, flags: number): number;
  poll(fds: number, count: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  read(fd: number, at: number, bytes: number): number;
  write(fd: number, at: number, bytes: number): number;
  close(fd: number): number;
  clock_gettime(clock: number, timespec: number): number;
  if_nametoindex(name: string): number;
  errno(): number;
  addressOf(buffer: ArrayBuffer): number;
}

const SIGNATURES = [
  'int socket(int, int, int)',
  'int bind(int, uintptr_t, uint)',
  'int setsockopt(int, int, int, uintptr_t, uint)',
  'int getsockopt(int, int, int, uintptr_t, uintptr_t)',
  'int recvmmsg(int, uintptr_t, uint, int, uintptr_t)',
  'int sendmmsg(int, uintptr_t, uint, int)',
  'intptr_t recvfrom(int, uintptr_t, size_t, int, uintptr_t, uintptr_t)',
  'intptr_t send(int, uintptr_t, size_t, int)',
  'int poll(uintptr_t, ulong, int)',
  'int eventfd(uint, int)',
  'intptr_t read(int, uintptr_t, size_t)',
  'intptr_t write(int, uintptr_t, size_t)',
  'int close(int)',
  'int clock_gettime(int, uintptr_t)',
  'uint if_nametoindex(str)',
];

let loaded: Native | undefined;

/** Loads the system calls once per thread. Throws PacketIoError where there can be none. */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

/** True where real packets are possible at all (permission aside). */
export function nativeSupported(): boolean {
  const is64Bit = ['x64', 'arm64', 'riscv64', 'loong64'].includes(process.arch);
  return process.platform === 'linux' && endianness() === 'LE' && is64Bit;
}

function load(): Native {
  if (!nativeSupported()) {
    const here = `${process.platform} ${process.arch} ${endianness()}`;
    throw new PacketIoError('PACKET_IO_UNSUPPORTED', `this is ${here}`);
  }
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw new PacketIoError('PACKET_IO_NO_FFI', (cause as Error).message, 0, cause);
  }
  // The symbols of the process itself: it has a libc, whichever it is (glibc, musl).
  const library = koffi.load(null);
  const calls: Record<string, unknown> = {
    errno: () => koffi.errno(),
    addressOf: (buffer: ArrayBuffer) => Number(koffi.address(buffer)),
  };
  for (const signature of SIGNATURES) {
    const name = signature.match(/(\w+)\(/)![1];
    calls[name] = library.func(signature);
  }
  return calls as unknown as Native;
}

/** Memory with a fixed address. It belongs to the garbage collector: keep a reference. */
export interface NativeMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Uint32Array;
  readonly address: number;
}

/**
 * An ArrayBuffer's contents never move, and they live as long as the ArrayBuffer: so there is
 * nothing to unmap, and no view can outlive its memory. Large ones come zeroed from the kernel
 * and cost nothing until they are touched.
 */
export function allocateNative(bytesCount: number): NativeMemory {
  const buffer = new ArrayBuffer(Math.ceil(bytesCount / 8) * 8);
  const address = native().addressOf(buffer);
  if (!Number.isSafeInteger(address) || address % 8 !== 0) {
    throw new PacketIoError('PACKET_IO_UNSUPPORTED', `memory at ${address}`);
  }
  return {
    bytes: new Uint8Array(buffer),
    view: new DataView(buffer),
    words: new Uint32Array(buffer),
    address,
  };
}

/** A system call that must not fail: returns its result or throws, saying what was tried. */
export function must(result: number, what: string): number {
  if (result >= 0) return result;
  const errno = native().errno();
  const denied = errno === ERRNO.EPERM || errno === ERRNO.EACCES;
  const code = denied ? 'PACKET_IO_NOT_PERMITTED' : 'PACKET_IO_SYSTEM';
  throw new PacketIoError(code, `${what} (errno ${errno})`, errno);
}

let scratch: NativeMemory | undefined;

/**
 * 256 bytes for the arguments of one system call. Never freed: memory that only a local variable
 * holds could be collected while the kernel still reads it.
 */
export function scratchMemory(): NativeMemory {
  scratch ??= allocateNative(256);
  return scratch;
}

export function setIntOption(fd: number, level: number, option: number, value: number): boolean {
  const { view, address } = scratchMemory();
  view.setInt32(0, value, true);
  return native().setsockopt(fd, level, option, address, 4) === 0;
}

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

/** Asks for socket buffers beyond the system's limit, or up to it without CAP_NET_ADMIN. */
export function setSocketBuffers(fd: number, receiveBytes: number, sendBytes: number): void {
  const force = (forced: number, plain: number, bytes: number) =>
    setIntOption(fd, SOL_SOCKET, forced, bytes) || setIntOption(fd, SOL_SOCKET, plain, bytes);
  force(SO_RCVBUFFORCE, SO_RCVBUF, receiveBytes);
  force(SO_SNDBUFFORCE, SO_SNDBUF, sendBytes);
}
