// The lab's own Redis: empty at each start, nothing on disk, nothing evicted.
import { mkdirSync } from 'node:fs';
import { createConnection } from 'node:net';
import { LabError } from './errors.ts';
import { hostAddress, type Management } from './management.ts';
import { logFile, storeBinary, storeFolder } from './paths.ts';
import { storePort } from './plan.ts';
import { type ProcessId, processState, startDetached } from './processes.ts';
import { waitFor } from './wait.ts';

export const storeUrl = (management: Management): string =>
  `redis://${hostAddress(management)}:${storePort}`;

export function storeArguments(address: string): string[] {
  const options: [string, string][] = [
    ['bind', address],
    ['port', String(storePort)],
    ['protected-mode', 'no'],
    ['save', ''],
    ['appendonly', 'no'],
    ['maxmemory-policy', 'noeviction'],
    ['dir', storeFolder],
  ];
  return options.flatMap(([name, value]) => [`--${name}`, value]);
}

/** Whether the server answers PING within `timeoutMs`. */
export function pingStore(url: string, timeoutMs: number): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = createConnection({ host: hostname, port: Number(port) });
    const finish = (up: boolean) => {
      socket.destroy();
      resolve(up);
    };
    socket.setTimeout(timeoutMs, () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
    socket.on('connect', () => socket.write('PING\r\n'));
    socket.on('data', (answer) => finish(answer.toString('latin1').startsWith('+PONG')));
  });
}

/** Starts an empty server; `record` gets its identity before it is waited for. */
export async function startStore(
  management: Management,
  record: (id: ProcessId) => void,
  signal?: AbortSignal,
): Promise<void> {
  mkdirSync(storeFolder, { recursive: true });
  const url = storeUrl(management);
  if (await pingStore(url, 200)) {
    throw new LabError('LAB_CONFLICT', `something that the lab did not start answers at ${url}`);
  }
  const id = await startDetached({
    command: storeBinary(),
    args: storeArguments(hostAddress(management)),
    logFile: logFile('store'),
    cwd: storeFolder,
  });
  record(id);
  const up = async () => {
    if (processState(id) === 'gone') throw new LabError('LAB_FAILED', 'the store ended at once');
    return pingStore(url, 500);
  };
  await waitFor(`the store at ${url}`, up, 10_000, signal ? { signal } : {});
}
