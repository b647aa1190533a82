// The lab's own Redis servers: empty when the store comes up, nothing on disk, nothing evicted.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LabError } from './errors.ts';
import { hostAddress, type Management } from './management.ts';
import { labEnvironment, logFile, storeBinary, storeClient, storeFolder } from './paths.ts';
import { type ProcessId, processState, startDetached } from './processes.ts';
import type { ServerRecord, StoreRecord } from './state.ts';
import {
  masterName,
  replicasOfMaster,
  type StoreKind,
  sentinelConfig,
  serverOptions,
} from './store-plan.ts';
import { waitFor } from './wait.ts';

/** What must hold on to which process was started, before it is waited for. */
export type RecordProcess = (server: ServerRecord, id: ProcessId) => void;

const formMsMax = 30_000;

/** Whether the server answers PING within `timeoutMs`. */
export function pingServer(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
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

/** What redis-cli says to a command; rejects where the server does not answer. */
export async function askServer(host: string, port: number, ...args: string[]): Promise<string> {
  const where = ['-h', host, '-p', String(port)];
  const options = { env: labEnvironment(), timeout: 10_000 };
  const { stdout } = await promisify(execFile)(storeClient(), [...where, ...args], options);
  return stdout;
}

const serverFolder = (name: string): string => join(storeFolder, name);

function serverArguments(kind: StoreKind, server: ServerRecord, address: string): string[] {
  const folder = serverFolder(server.name);
  if (server.part === 'server') return serverOptions(kind, server, address, folder);
  const file = join(folder, 'sentinel.conf');
  // One that was there before goes on with what it learned.
  if (!existsSync(file)) writeFileSync(file, sentinelConfig(server, address, folder));
  return [file, '--sentinel'];
}

/** Starts one server with what its folder holds: as its log says, or with a snapshot's data. */
export async function startServer(
  kind: StoreKind,
  server: ServerRecord,
  management: Management,
  record: RecordProcess,
  signal?: AbortSignal,
): Promise<void> {
  const address = hostAddress(management);
  const where = `${address}:${server.port}`;
  if (await pingServer(address, server.port, 200)) {
    throw new LabError('LAB_CONFLICT', `something that the lab did not start answers at ${where}`);
  }
  const folder = serverFolder(server.name);
  mkdirSync(folder, { recursive: true });
  const id = await startDetached({
    command: storeBinary(),
    args: serverArguments(kind, server, address),
    logFile: logFile(server.name),
    cwd: folder,
  });
  record(server, id);
  const up = async () => {
    if (processState(id) === 'gone') throw new LabError('LAB_FAILED', 'the store ended at once');
    return pingServer(address, server.port, 500);
  };
  await waitFor(`the store at ${where}`, up, 10_000, signal ? { signal } : {});
}

/** Forgets what a server kept: data, its part in a cluster, what a Sentinel learned. */
export function wipeServer(server: ServerRecord): void {
  rmSync(serverFolder(server.name), { recursive: true, force: true });
}

/** Starts all servers, empty, and returns once they are a store. */
export async function startStore(
  store: StoreRecord,
  management: Management,
  record: RecordProcess,
  signal?: AbortSignal,
): Promise<void> {
  for (const server of store.servers) wipeServer(server);
  for (const part of ['server', 'sentinel'] as const) {
    const servers = store.servers.filter((server) => server.part === part);
    await Promise.all(
      servers.map((server) => startServer(store.kind, server, management, record, signal)),
    );
  }
  const options = signal ? { signal, everyMs: 100 } : { everyMs: 100 };
  if (store.kind === 'cluster') await createCluster(store, management, options);
  if (store.kind === 'sentinel') await awaitSentinels(store, management, options);
}

async function createCluster(
  { servers }: StoreRecord,
  management: Management,
  options: { signal?: AbortSignal; everyMs: number },
): Promise<void> {
  const address = hostAddress(management);
  const nodes = servers.map(({ port }) => `${address}:${port}`);
  const replicas = ['--cluster-replicas', String(replicasOfMaster), '--cluster-yes'];
  await askServer(address, servers[0]!.port, '--cluster', 'create', ...nodes, ...replicas);
  // It says so before the cluster serves, and before every node knows whose replica it is.
  const formed = async (port: number) => {
    const said = await askServer(address, port, 'CLUSTER', 'INFO');
    const part = await askServer(address, port, 'INFO', 'replication');
    const linked = /role:slave/.test(part)
      ? /master_link_status:up/.test(part)
      : new RegExp(`connected_slaves:${replicasOfMaster}`).test(part);
    return linked && /cluster_state:ok/.test(said);
  };
  for (const { port } of servers) {
    await waitFor('the cluster to form', () => formed(port).catch(() => false), formMsMax, options);
  }
}

/** Until each Sentinel knows the replicas and the other Sentinels, none of them can fail over. */
async function awaitSentinels(
  { servers }: StoreRecord,
  management: Management,
  options: { signal?: AbortSignal; everyMs: number },
): Promise<void> {
  const address = hostAddress(management);
  const sentinels = servers.filter(({ part }) => part === 'sentinel');
  const knows = async (port: number) => {
    const said = await askServer(address, port, 'SENTINEL', 'MASTER', masterName);
    const figure = (name: string) => Number(new RegExp(`${name}\\s+(\\d+)`).exec(said)?.[1]);
    return (
      figure('num-slaves') === replicasOfMaster &&
      figure('num-other-sentinels') === sentinels.length - 1
    );
  };
  for (const { port } of sentinels) {
    await waitFor('the Sentinels to meet', () => knows(port), formMsMax, options);
  }
}
