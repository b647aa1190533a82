/**
 * A core of its own for the server that is measured, as a store in production has: where the
 * programs that load it share its core, what a call takes is their time slices. Everything else,
 * the bench and all that it starts, stays off that core.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The core, and what the server is to be started with; null where there is one core alone. */
export interface ServerCore {
  readonly core: number;
  readonly serverArguments: readonly string[];
}

/** Of "0-2,5": 0, 1, 2, 5. */
export function parseCores(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

/** The last of the cores that this process may run on; it leaves it to the server. */
export function leaveServerCore(): ServerCore | null {
  const status = readFileSync('/proc/self/status', 'latin1');
  const cores = parseCores(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '0');
  const core = cores.pop()!;
  if (cores.length === 0) return null;
  execFileSync('taskset', ['-a', '-c', '-p', cores.join(','), String(process.pid)]);
  return { core, serverArguments: ['--server_cpulist', String(core)] };
}
