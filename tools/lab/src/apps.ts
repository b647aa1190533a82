// The gateways and reapers as processes: their config files, start, and readiness.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parse, stringify } from 'yaml';
import {
  deepMerge,
  gatewayConfig,
  type LabConfig,
  type Place,
  reaperConfig,
  type Tree,
} from './config.ts';
import { LabError } from './errors.ts';
import { httpGet, isReady } from './http.ts';
import { gatewayAddress, hostAddress, type Management } from './management.ts';
import { appEnvironment, configFile, logFile, nodeBinary, repositoryFolder } from './paths.ts';
import { gatewayMetricsPort, gatewayNamespace } from './plan.ts';
import { type ProcessId, processState, startDetached } from './processes.ts';
import type { GatewayRecord, LabState, ReaperRecord } from './state.ts';
import { minReplicasOf } from './store-plan.ts';
import { waitFor } from './wait.ts';

const logTailLinesMax = 20;
const pageCharsMax = 500;
const initTimeoutMs = 20_000;
// A gateway that died just now is waited for by a lease length.
const publishTimeoutMs = 150_000;

// Node starts slowly when many start at once on few cores.
export const readyTimeoutMs = (processes: number): number => 30_000 + 2_000 * processes;

export const gatewayBase = (management: Management, index: number): string =>
  `http://${gatewayAddress(management, index)}:${gatewayMetricsPort}`;

export const reaperBase = (management: Management, port: number): string =>
  `http://${hostAddress(management)}:${port}`;

function writeConfig(name: string, config: Tree): void {
  const file = configFile(name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, stringify(config));
}

export function writeConfigs(state: LabState, config: LabConfig): void {
  const { store, management } = state;
  const minReplicas = store ? minReplicasOf(store.kind) : 0;
  const place: Place = { management, storeUrl: store?.url ?? '', minReplicas };
  for (const { name, index } of state.gateways) {
    writeConfig(name, gatewayConfig(index, place, config));
  }
  for (const { name, port } of state.reapers) writeConfig(name, reaperConfig(port, place, config));
}

/** What a program said last; empty when it said nothing. */
export function logTail(name: string, linesMax: number = logTailLinesMax): string {
  try {
    return readFileSync(logFile(name), 'utf8').trimEnd().split('\n').slice(-linesMax).join('\n');
  } catch {
    return '';
  }
}

export function failure(name: string, what: string): LabError {
  const tail = logTail(name);
  const said = tail === '' ? 'it logged nothing' : `the end of its log:\n${tail}`;
  return new LabError('LAB_FAILED', `${name} ${what}; ${said}`);
}

/** As in the Dockerfile. */
const nodeOptions = ['--max-semi-space-size=8'];

function gatewayCommand(main: string, index: number, args: readonly string[]): string[] {
  const command = [nodeBinary(), ...nodeOptions, main, ...args];
  return ['netns', 'exec', gatewayNamespace(index), ...command];
}

/** Runs the gateway's program in its namespace to its end; answers what it said. */
function runGateway(
  main: string,
  gateway: GatewayRecord,
  args: readonly string[],
  timeoutMs: number,
): Promise<string> {
  if (!existsSync(main)) throw new LabError('LAB_FAILED', `there is no ${main}`);
  return new Promise((resolve, reject) => {
    const child = spawn('ip', gatewayCommand(main, gateway.index, args), {
      cwd: repositoryFolder,
      env: appEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (said += text));
    }
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(said);
      const end = signal ? `was ended after ${timeoutMs} ms` : `exited with ${code}`;
      reject(new LabError('LAB_FAILED', `gateway ${args[0]} ${end}:\n${said.trimEnd()}`));
    });
  });
}

/** Writes the cluster's configuration into the empty store, once for all gateways. */
export async function initCluster(main: string, gateway: GatewayRecord): Promise<void> {
  await runGateway(main, gateway, ['--init', '--config', configFile(gateway.name)], initTimeoutMs);
}

/** The next version into everybody's file, then into the store; waits until it holds. */
export function publishCluster(state: LabState, over: Tree): Promise<string> {
  // Before a file changes.
  publisherOf(state);
  for (const { name } of [...state.gateways, ...state.reapers]) {
    const file = configFile(name);
    const config = parse(readFileSync(file, 'utf8')) as Tree & { cluster: Tree };
    const version = Number(config.cluster.version ?? 1) + 1;
    writeConfig(name, { ...config, cluster: { ...deepMerge(config.cluster, over), version } });
  }
  return publishFiles(state);
}

/** The version of the files into the store; waits until it holds. */
export function publishFiles(state: LabState): Promise<string> {
  const { main, gateway } = publisherOf(state);
  const args = ['--publish', '--config', configFile(gateway.name)];
  return runGateway(main, gateway, args, publishTimeoutMs);
}

function publisherOf({ apps, gateways: [gateway] }: LabState) {
  if (!apps || !gateway) throw new LabError('LAB_CONFLICT', 'this lab has no gateway programs');
  return { main: gateway.program ?? apps.gateway, gateway };
}

export function startGateway(main: string, gateway: GatewayRecord): Promise<ProcessId> {
  const config = ['--config', configFile(gateway.name)];
  return startDetached(
    {
      // `ip netns exec` becomes the program: the pid is the gateway's own.
      command: 'ip',
      args: gatewayCommand(gateway.program ?? main, gateway.index, config),
      logFile: logFile(gateway.name),
      cwd: repositoryFolder,
    },
    appEnvironment(),
  );
}

export function startReaper(main: string, reaper: ReaperRecord): Promise<ProcessId> {
  return startDetached(
    {
      command: nodeBinary(),
      args: [...nodeOptions, main, '--config', configFile(reaper.name)],
      logFile: logFile(reaper.name),
      cwd: repositoryFolder,
    },
    appEnvironment(),
  );
}

/** Waits for /readyz; a process that ends meanwhile ends the wait, with the end of its log. */
export async function awaitReady(
  record: { name: string; process: ProcessId | null },
  base: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const probe = () => {
    if (!record.process || processState(record.process) === 'gone') {
      throw failure(record.name, 'ended before it was ready');
    }
    return isReady(base, 1_000);
  };
  const options = { everyMs: 50, ...(signal ? { signal } : {}) };
  await waitFor(`${record.name} to be ready`, probe, timeoutMs, options).catch(async (error) => {
    if (!(error instanceof LabError && error.message.startsWith('waited'))) throw error;
    // The program knows best why: its page lists the reasons.
    const page = await httpGet(`${base}/readyz`, 1_000);
    const says = page
      ? `says ${page.status} ${page.body.slice(0, pageCharsMax)}`
      : 'does not answer';
    throw failure(record.name, `was not ready within ${timeoutMs} ms: /readyz ${says}`);
  });
}
