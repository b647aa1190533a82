// What is up, asked afresh each time: the file says what was started, the kernel and the
// programs themselves say what lives.
import { gatewayBase, reaperBase } from './apps.ts';
import { isReady } from './http.ts';
import { hostAddress } from './management.ts';
import { type ProcessId, processState } from './processes.ts';
import type { GatewayRecord, LabState, ReaperRecord, ServerRecord } from './state.ts';
import { pingServer } from './store.ts';
import type { StoreKind } from './store-plan.ts';

/**
 * - ready: answers /readyz, and the routers send it traffic
 * - routed-off: answers /readyz, but the routers pass it by
 * - starting: lives, and was not ready yet
 * - unready: lives, and was ready once
 * - down: no process
 * - network-only: the lab was brought up without gateway programs
 */
export type GatewayStateName =
  | 'ready'
  | 'routed-off'
  | 'starting'
  | 'unready'
  | 'down'
  | 'network-only';
export type ReaperStateName = 'ready' | 'starting' | 'down';
export type StoreStateName = 'up' | 'paused' | 'down';

export type GatewayStatus = {
  name: string;
  state: GatewayStateName;
  /** Whether the routers send it traffic, dead or alive. */
  routed: boolean;
  pid: number | null;
  metrics: string;
};
export type ReaperStatus = {
  name: string;
  state: ReaperStateName;
  pid: number | null;
  metrics: string;
};
export type ServerStatus = {
  name: string;
  port: number;
  state: StoreStateName;
  pid: number | null;
};
export type StoreStatus = {
  kind: StoreKind | null;
  url: string | null;
  /** Of several servers: paused when all that live are, down when none answers. */
  state: StoreStateName;
  pid: number | null;
  /** Those that hold data; Sentinels are not among them. */
  servers: ServerStatus[];
};

export type LabStatus = {
  state: 'up' | 'coming' | 'down';
  gateways: GatewayStatus[];
  store: StoreStatus;
  reapers: ReaperStatus[];
};

const probeTimeoutMs = 1_000;
const noStore: StoreStatus = { kind: null, url: null, state: 'down', pid: null, servers: [] };

const alive = (id: ProcessId | null): id is ProcessId => id !== null && processState(id) !== 'gone';

async function gatewayStatus(gateway: GatewayRecord, state: LabState): Promise<GatewayStatus> {
  const { name, routed } = gateway;
  const base = gatewayBase(state.management, gateway.index);
  const lives = alive(gateway.process);
  const pid = lives ? (gateway.process?.pid ?? null) : null;
  const answer = (named: GatewayStateName): GatewayStatus => ({
    name,
    state: named,
    routed,
    pid,
    metrics: `${base}/metrics`,
  });
  if (!state.apps) return answer('network-only');
  if (!lives) return answer('down');
  if (!(await isReady(base, probeTimeoutMs))) {
    return answer(gateway.wasReady ? 'unready' : 'starting');
  }
  return answer(routed ? 'ready' : 'routed-off');
}

async function reaperStatus(reaper: ReaperRecord, state: LabState): Promise<ReaperStatus> {
  const base = reaperBase(state.management, reaper.port);
  const lives = alive(reaper.process);
  const ready = lives && (await isReady(base, probeTimeoutMs));
  return {
    name: reaper.name,
    state: ready ? 'ready' : lives ? 'starting' : 'down',
    pid: lives ? (reaper.process?.pid ?? null) : null,
    metrics: `${base}/metrics`,
  };
}

async function serverStatus(server: ServerRecord, host: string): Promise<ServerStatus> {
  const { name, port, process: id } = server;
  if (!alive(id)) return { name, port, state: 'down', pid: null };
  if (processState(id) === 'stopped') return { name, port, state: 'paused', pid: id.pid };
  const answers = await pingServer(host, port, probeTimeoutMs);
  return { name, port, state: answers ? 'up' : 'down', pid: id.pid };
}

export async function serverStates(state: LabState): Promise<ServerStatus[]> {
  const host = hostAddress(state.management);
  return Promise.all((state.store?.servers ?? []).map((server) => serverStatus(server, host)));
}

export async function storeState(state: LabState): Promise<StoreStatus> {
  const { store } = state;
  if (!store) return noStore;
  const all = await serverStates(state);
  const servers = all.filter((_, at) => store.servers[at]?.part === 'server');
  const living = servers.filter(({ pid }) => pid !== null);
  const answers = living.some((server) => server.state === 'up');
  const paused = living.length > 0 && living.every((server) => server.state === 'paused');
  const named = answers ? 'up' : paused ? 'paused' : 'down';
  const { kind, url } = store;
  return { kind, url, state: named, pid: living[0]?.pid ?? null, servers };
}

export async function statusOf(state: LabState | undefined): Promise<LabStatus> {
  if (!state) {
    return { state: 'down', gateways: [], store: noStore, reapers: [] };
  }
  const [gateways, reapers, store] = await Promise.all([
    Promise.all(state.gateways.map((gateway) => gatewayStatus(gateway, state))),
    Promise.all(state.reapers.map((reaper) => reaperStatus(reaper, state))),
    storeState(state),
  ]);
  return { state: state.phase, gateways, store, reapers };
}

/** The same for people. */
export function describeStatus(status: LabStatus): string {
  if (status.state === 'down') return 'the lab is down';
  const lines = [`the lab is ${status.state === 'up' ? 'up' : 'coming up'}`];
  const row = (name: string, state: string, pid: number | null, where: string | null) =>
    `  ${name.padEnd(8)} ${state.padEnd(12)} ${String(pid ?? '-').padEnd(8)} ${where ?? ''}`;
  for (const it of status.gateways) lines.push(row(it.name, it.state, it.pid, it.metrics));
  for (const it of status.reapers) lines.push(row(it.name, it.state, it.pid, it.metrics));
  lines.push(row('store', status.store.state, status.store.pid, status.store.url));
  if (status.store.servers.length > 1) {
    for (const it of status.store.servers) lines.push(row(it.name, it.state, it.pid, `${it.port}`));
  }
  return lines.join('\n');
}
