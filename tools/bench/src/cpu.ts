/** CPU time, from the operating system. */

/** CPU of all threads, V8's helpers included. */
export function processCpuNs(): number {
  const { user, system } = process.cpuUsage();
  return 1_000 * (user + system);
}

/**
 * CPU of this thread. Linux brings a thread's account up to date at its ticks, every 4 ms here,
 * and when the whole process is asked for: so that is asked for first.
 */
export function threadCpuNs(): number {
  process.cpuUsage();
  // Node 22 can't tell threads apart: all of them then, which is no less.
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage();
  return 1_000 * (user + system);
}
