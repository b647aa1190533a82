import { allocateNative, must, native } from './native.ts';

/** Anything to wait on: a wire, the kernel's tables. A source with fd -1 never wakes. */
export interface WaitSource {
  readonly fd: number;
}

/**
 * Blocks the packet thread until a source is readable, someone calls wake(), or time is up.
 *
 * A blocking poll(2) in a worker thread adds no latency to packets and leaves the main thread
 * alone; waiting asynchronously costs 30-40 us per packet (measured November 2026). While it
 * blocks, the thread runs no callback and no message handler: read control input after wait().
 */
export interface Waiter {
  /** The eventfd to wake it with; valid in every thread of this process until close(). */
  readonly wakeFd: number;
  /** Rounds up to whole milliseconds; 0 or less only looks. Returns early on signals. */
  wait(timeoutMs: number): void;
  close(): void;
}

/** Wakes a Waiter from another thread of the same process. */
export interface Waker {
  /** Never blocks; many wakes before the wait count as one. */
  wake(): void;
}

const POLLIN = 1;
const EFD_NONBLOCK = 0x800;
const EFD_CLOEXEC = 0x80000;
const POLLFD_BYTES = 8;
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** Waits on the sources as they are now: one that is opened later needs a new Waiter. */
export function createWaiter(sources: readonly WaitSource[]): Waiter {
  const calls = native();
  const wakeFd = must(calls.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), 'eventfd');
  const fds = [wakeFd, ...sources.map((source) => source.fd).filter((fd) => fd >= 0)];
  // struct pollfd: i32 fd, i16 events, i16 what happened.
  const table = allocateNative(fds.length * POLLFD_BYTES);
  fds.forEach((fd, k) => {
    table.view.setInt32(k * POLLFD_BYTES, fd, true);
    table.view.setInt16(k * POLLFD_BYTES + 4, POLLIN, true);
  });
  const drained = allocateNative(8);
  let open = true;
  return {
    wakeFd,
    wait(timeoutMs) {
      if (!open) return;
      const roundedMs = Math.min(Math.max(0, Math.ceil(timeoutMs)), TIMEOUT_MS_MAX);
      const ready = calls.poll(table.address, fds.length, roundedMs);
      if (ready > 0 && table.view.getInt16(6, true) !== 0) calls.read(wakeFd, drained.address, 8);
    },
    close() {
      if (!open) return;
      open = false;
      calls.close(wakeFd);
    },
  };
}

/** Call it in the thread that wakes. The Waiter must outlive it: a closed fd may be reused. */
export function createWaker(wakeFd: number): Waker {
  const calls = native();
  const one = allocateNative(8);
  one.view.setUint32(0, 1, true);
  return {
    wake() {
      // Refused only when 2^64 - 2 wakes are pending: then it is awake.
      calls.write(wakeFd, one.address, 8);
    },
  };
}
