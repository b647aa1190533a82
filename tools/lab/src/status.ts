// What is up, asked afresh each time: the file says what was started, the kernel and the
// programs themselves say what lives.
import { gatewayBase, reaperBase } from './apps.ts';
import { isReady } from './http.ts';
import { type ProcessId, processState } from './processes.ts';
import type { GatewayRecord, LabState, ReaperRecord } from './state.ts';
import { pingStore } from './store.ts';

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
export type StoreStatus = { url: string | null; state: StoreStateName; pid: number | null };

export type LabStatus = {
  state: 'up' | 'coming' | 'down';
  gateways: GatewayStatus[];
  store: StoreStatus;
  reapers: ReaperStatus[];
};

const probeTimeoutMs = 1_000;

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

export async function storeState(state: LabState): Promise<StoreStatus> {
  if (!state.store) return { url: null, state: 'down', pid: null };
  const { url, process: id } = state.store;
  if (!alive(id)) return { url, state: 'down', pid: null };
  if (processState(id) === 'stopped') return { url, state: 'paused', pid: id.pid };
  return { url, state: (await pingStore(url, probeTimeoutMs)) ? 'up' : 'down', pid: id.pid };
}

export async function statusOf(state: LabState | undefined): Promise<LabStatus> {
  if (!state) {
    const store: StoreStatus = { url: null, state: 'down', pid: null };
    return { state: 'down', gateways: [], store, reapers: [] };
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
  return lines.join('\n');
}
