// Up and down. Up is all or nothing: what fails half-way takes everything down again, and what a
// crashed command left is removed before anything is built.
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  awaitReady,
  gatewayBase,
  initCluster,
  readyTimeoutMs,
  reaperBase,
  startGateway,
  startReaper,
  writeConfigs,
} from './apps.ts';
import type { LabConfig } from './config.ts';
import { LabError } from './errors.ts';
import { takenPrefixes } from './ip.ts';
import { chooseManagement, type Management } from './management.ts';
import {
  awaitLinks,
  buildNetwork,
  isLive,
  presentLinks,
  presentNamespaces,
  removeNetwork,
} from './network.ts';
import { gatewayMain, logFile, reaperMain, stateFolder, storeBinary } from './paths.ts';
import {
  checkGatewayCount,
  gatewayIndexes,
  gatewayName,
  gatewaysDefault,
  lanNamespace,
  managementBridge,
  reaperMetricsPort,
} from './plan.ts';
import { bootId, endProcesses, processesIn } from './processes.ts';
import { setRoutes } from './routes.ts';
import {
  type LabState,
  readState,
  recordedProcesses,
  type ServerRecord,
  type StoreRecord,
  writeState,
} from './state.ts';
import { startStore } from './store.ts';
import { planServers, type StoreKind, storeUrl } from './store-plan.ts';

export type UpOptions = {
  gateways?: number;
  config?: LabConfig;
  reapers?: number;
  /**
   * Which programs run: those of this repository when left out, `none` for the network (and
   * store) alone, with all routes on.
   */
  apps?: 'none' | { gateway: string; reaper: string };
  /** One gateway's own program, by its name, where it is not `apps.gateway`. */
  programs?: Record<string, string>;
  /** What the store is made of; `single` when left out. */
  storeKind?: StoreKind;
  /** false: no store either. Only together with `apps: 'none'`. */
  store?: boolean;
  /** Adds to the network, before any program runs; who adds a namespace removes it again. */
  extend?: () => Promise<void>;
  /** Aborting it takes everything down again. */
  signal?: AbortSignal;
};

const reapersMax = 16;
const endGraceMs = 5_000;

/** Whether the state describes a lab that is there: not a wreck, not one from before a reboot. */
export function isUp(state: LabState): boolean {
  return state.phase === 'up' && isLive(lanNamespace);
}

async function newState(options: UpOptions): Promise<LabState> {
  const gateways = checkGatewayCount(options.gateways ?? gatewaysDefault);
  const apps = options.apps ?? { gateway: gatewayMain, reaper: reaperMain };
  const reapers = apps === 'none' ? 0 : (options.reapers ?? 1);
  if (!Number.isInteger(reapers) || reapers < 0 || reapers > reapersMax) {
    throw new LabError('LAB_USAGE', `reapers: ${reapers} is not a whole number 0..${reapersMax}`);
  }
  const management = chooseManagement(await takenPrefixes(managementBridge));
  const withStore = apps !== 'none' || options.store !== false;
  const kind = options.storeKind ?? 'single';
  if (withStore) storeBinary(); // Refuses now rather than half-way.
  return {
    version: 2,
    phase: 'coming',
    management,
    apps: apps === 'none' ? null : apps,
    gateways: gatewayIndexes(gateways).map((index) => ({
      name: gatewayName(index),
      index,
      routed: false,
      wasReady: false,
      process: null,
      ...programOf(options, gatewayName(index)),
    })),
    reapers: Array.from({ length: reapers }, (_, at) => ({
      name: `reaper${at + 1}`,
      port: reaperMetricsPort + at,
      process: null,
    })),
    store: withStore ? newStore(kind, management) : null,
  };
}

function newStore(kind: StoreKind, management: Management): StoreRecord {
  const servers = planServers(kind).map((server) => ({ ...server, process: null }));
  return { kind, url: storeUrl(kind, management), servers };
}

function programOf({ programs }: UpOptions, name: string): { program?: string } {
  const program = programs?.[name];
  return program === undefined ? {} : { program };
}

function checkSameShape(state: LabState, options: UpOptions): void {
  const wanted = checkGatewayCount(options.gateways ?? gatewaysDefault);
  const has = state.gateways.length;
  if (has !== wanted) {
    throw new LabError(
      'LAB_CONFLICT',
      `the lab is up with ${has} gateways, not ${wanted}: lab down first`,
    );
  }
  const kind = options.storeKind ?? 'single';
  if (state.store && state.store.kind !== kind) {
    throw new LabError(
      'LAB_CONFLICT',
      `the lab is up with a ${state.store.kind} store, not ${kind}: lab down first`,
    );
  }
  if ((state.apps === null) !== (options.apps === 'none')) {
    const without = state.apps === null ? 'without' : 'with';
    throw new LabError('LAB_CONFLICT', `the lab is up ${without} programs: lab down first`);
  }
}

// Every process is on file as soon as it has a pid: whatever happens next, `down` finds it.
async function startPrograms(
  state: LabState,
  config: LabConfig,
  signal: AbortSignal | undefined,
): Promise<void> {
  const apps = state.apps;
  if (!apps) return;
  writeConfigs(state, config);
  const [first] = state.gateways as [LabState['gateways'][0]];
  await initCluster(first.program ?? apps.gateway, first);
  for (const gateway of state.gateways) {
    signal?.throwIfAborted();
    gateway.process = await startGateway(apps.gateway, gateway);
    writeState(state);
  }
  for (const reaper of state.reapers) {
    reaper.process = await startReaper(apps.reaper, reaper);
    writeState(state);
  }
  const timeoutMs = readyTimeoutMs(state.gateways.length + state.reapers.length);
  const { management } = state;
  await Promise.all([
    ...state.gateways.map(async (gateway) => {
      await awaitReady(gateway, gatewayBase(management, gateway.index), timeoutMs, signal);
      gateway.wasReady = true;
    }),
    ...state.reapers.map((reaper) =>
      awaitReady(reaper, reaperBase(management, reaper.port), timeoutMs, signal),
    ),
  ]);
}

async function build(state: LabState, options: UpOptions): Promise<void> {
  mkdirSync(dirname(logFile('any')), { recursive: true });
  writeState(state);
  await buildNetwork(state.gateways.length, state.management);
  const { store, management } = state;
  if (store) {
    const record = (server: ServerRecord, id: NonNullable<ServerRecord['process']>) => {
      server.process = id;
      writeState(state);
    };
    await startStore(store, management, record, options.signal);
  }
  await options.extend?.();
  await awaitLinks(state.gateways.length, options.signal);
  await startPrograms(state, options.config ?? {}, options.signal);
  await setRoutes(state.gateways.map((gateway) => gateway.index));
  for (const gateway of state.gateways) gateway.routed = true;
  options.signal?.throwIfAborted();
  state.phase = 'up';
  writeState(state);
}

/** The caller holds the lock. */
export async function bringUp(
  options: UpOptions,
  log: (line: string) => void,
): Promise<{ alreadyUp: boolean }> {
  const present = readState();
  if (present && isUp(present)) {
    checkSameShape(present, options);
    log(`the lab is up already, with ${present.gateways.length} gateways`);
    return { alreadyUp: true };
  }
  const state = await newState(options);
  if (present || presentNamespaces().length > 0 || presentLinks().length > 0) {
    log('cleaning up what an earlier lab left');
    await tearDown(() => {});
  }
  try {
    await build(state, options);
  } catch (error) {
    // The message holds the end of the log that matters: the log itself goes.
    log('that failed; removing everything again');
    await tearDown(() => {});
    throw error;
  }
  log(`the lab is up, with ${state.gateways.length} gateways`);
  return { alreadyUp: false };
}

/** The caller holds the lock. */
export async function tearDown(log: (line: string) => void): Promise<{ wasUp: boolean }> {
  const state = readState();
  const namespaces = presentNamespaces();
  const wasUp = state !== undefined || namespaces.length > 0 || presentLinks().length > 0;
  if (state && recordedProcesses(state).some((id) => id.bootId === bootId())) {
    await endProcesses(recordedProcesses({ ...state, store: null }), endGraceMs);
    // The store ends last: gateways that stop gracefully give back what they hold.
    await endProcesses(recordedProcesses({ ...state, gateways: [], reapers: [] }), endGraceMs);
  }
  // Whatever else runs in the lab's namespaces was started there by the lab or through it.
  await endProcesses(processesIn(namespaces.filter(isLive)), 1_000);
  await removeNetwork();
  rmSync(stateFolder, { recursive: true, force: true });
  log(wasUp ? 'the lab is down' : 'the lab was down already');
  return { wasUp };
}
