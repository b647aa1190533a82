import { allocateNative, native, nativeSupported } from './native.ts';

/** Milliseconds (with a fraction) since some fixed moment; never goes back. */
export type BootClock = () => number;

const CLOCK_BOOTTIME = 7;

/**
 * A monotonic clock that counts the time the machine was suspended, so that a gateway that slept
 * knows that its leases have run out: performance.now() stands still meanwhile. Its zero is the
 * boot, so all processes of one machine agree. Elsewhere than Linux: performance.now().
 *
 * The only place in this package that reads a clock. Costs about 90 ns (November 2026, koffi
 * 3.3.4) and allocates no buffer per call: one is reused.
 */
export function bootClock(): BootClock {
  if (!nativeSupported()) return () => performance.now();
  let calls: ReturnType<typeof native>;
  try {
    calls = native();
  } catch {
    // The rootless demo runs without koffi; it doesn't outlive a suspend either.
    return () => performance.now();
  }
  // struct timespec: i64 seconds, i64 nanoseconds. Seconds since boot fit 32 bits for 136 years.
  const timespec = allocateNative(16);
  const { words, address } = timespec;
  return () => {
    if (calls.clock_gettime(CLOCK_BOOTTIME, address) !== 0) throw new Error('no CLOCK_BOOTTIME');
    return words[0] * 1000 + words[2] / 1e6;
  };
}
