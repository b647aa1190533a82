// Processes that outlive the command that started them. A pid alone is not an identity: the kernel
// hands it out again. So each is recorded with its start time (clock ticks since boot) and the
// boot, and nothing is signalled whose three don't match.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { LabError } from './errors.ts';
import { waitFor } from './wait.ts';

export type ProcessId = { pid: number; startTicks: number; bootId: string };
export type ProcessState = 'running' | 'stopped' | 'gone';

/** State letter and start time out of /proc/PID/stat, whose second field may hold anything. */
export function parseStat(text: string): { state: string; startTicks: number } {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTicks: Number(fields[19]) };
}

function readStat(pid: number): { state: string; startTicks: number } | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

export function identify(pid: number): ProcessId | undefined {
  const stat = readStat(pid);
  return stat && { pid, startTicks: stat.startTicks, bootId: bootId() };
}

export function processState(id: ProcessId): ProcessState {
  const stat = readStat(id.pid);
  if (!stat || stat.startTicks !== id.startTicks || id.bootId !== bootId()) return 'gone';
  // A zombie has ended; that nobody has collected it yet is not its fault.
  if (stat.state === 'Z' || stat.state === 'X') return 'gone';
  return stat.state === 'T' ? 'stopped' : 'running';
}

/** Signals exactly this process; false when it is gone. */
export function signalProcess(id: ProcessId, signal: NodeJS.Signals): boolean {
  if (processState(id) === 'gone') return false;
  try {
    return process.kill(id.pid, signal);
  } catch {
    return false;
  }
}

/** Asks, waits, then insists. Returns once all are gone. */
export async function endProcesses(ids: readonly ProcessId[], graceMs: number): Promise<void> {
  const living = () => ids.filter((id) => processState(id) !== 'gone');
  for (const id of living()) {
    // A stopped process can't hear SIGTERM.
    signalProcess(id, processState(id) === 'stopped' ? 'SIGKILL' : 'SIGTERM');
  }
  await waitFor('processes to end', () => living().length === 0, graceMs).catch(() => {});
  for (const id of living()) signalProcess(id, 'SIGKILL');
  await waitFor('killed processes to end', () => living().length === 0, 5_000);
}

export type Detached = { command: string; args: readonly string[]; logFile: string; cwd: string };

/** Starts a process in a session of its own (no Ctrl-C reaches it), its output in a file. */
export async function startDetached(
  what: Detached,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ProcessId> {
  const log = openSync(what.logFile, 'a');
  try {
    const child = spawn(what.command, what.args, {
      cwd: what.cwd,
      detached: true,
      env,
      stdio: ['ignore', log, log],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(new LabError('LAB_FAILED', error.message)));
    });
    child.unref();
    const id = identify(child.pid as number);
    if (!id) throw new LabError('LAB_FAILED', `${what.command} ended at once`);
    return id;
  } finally {
    closeSync(log);
  }
}

/** Who lives in these network namespaces, this process aside. */
export function processesIn(namespaces: readonly string[]): ProcessId[] {
  const inodes = new Set(namespaces.map((name) => `net:[${statSync(`/run/netns/${name}`).ino}]`));
  const found: ProcessId[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (!inodes.has(readlinkSync(`/proc/${pid}/ns/net`))) continue;
    } catch {
      continue; // It ended while we looked.
    }
    const id = identify(pid);
    if (id) found.push(id);
  }
  return found;
}
