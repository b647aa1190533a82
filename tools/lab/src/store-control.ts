// What is done to the store on purpose: outages (stop), losses (start), stalls (pause).
import { LabError } from './errors.ts';
import { endProcesses, processState, signalProcess } from './processes.ts';
import { type LabState, type ServerRecord, type StoreRecord, writeState } from './state.ts';
import { type StoreStateName, serverStates, storeState } from './status.ts';
import { startServer, startStore, wipeServer } from './store.ts';
import { parseServer } from './store-plan.ts';
import { waitFor } from './wait.ts';

export type StoreAction = 'stop' | 'start' | 'pause' | 'resume';

const result: Record<StoreAction, StoreStateName> = {
  stop: 'down',
  start: 'up',
  pause: 'paused',
  resume: 'up',
};

function storeOf(state: LabState): StoreRecord {
  if (state.store) return state.store;
  throw new LabError('LAB_CONFLICT', 'this lab was brought up without a store');
}

const lives = ({ process }: ServerRecord): boolean =>
  process !== null && processState(process) !== 'gone';
const isPaused = ({ process }: ServerRecord): boolean =>
  process !== null && processState(process) === 'stopped';

function recorder(state: LabState) {
  return (server: ServerRecord, id: NonNullable<ServerRecord['process']>) => {
    server.process = id;
    writeState(state);
  };
}

async function end(servers: readonly ServerRecord[], graceMs: number): Promise<void> {
  await endProcesses(
    servers.flatMap(({ process }) => process ?? []),
    graceMs,
  );
  for (const server of servers) server.process = null;
}

/** Does it, waits until it took hold, and answers the state. Doing it twice is fine. */
export async function changeStore(state: LabState, action: StoreAction): Promise<StoreStateName> {
  const store = storeOf(state);
  const alive = store.servers.filter(lives);
  if (action === 'start') {
    // A paused server is there with its data: starting an empty one beside it can't be meant.
    if (alive.some(isPaused)) {
      throw new LabError('LAB_CONFLICT', 'the store is paused: store resume, or store stop first');
    }
    if (alive.length < store.servers.length) {
      await end(alive, 0);
      await startStore(store, state.management, recorder(state));
    }
  } else if (action === 'stop') {
    await end(alive, 2_000);
  } else {
    const servers = alive.filter(({ part }) => part === 'server');
    if (servers.length === 0) throw new LabError('LAB_CONFLICT', 'the store is down: store start');
    for (const { process } of servers) {
      if (process) signalProcess(process, action === 'pause' ? 'SIGSTOP' : 'SIGCONT');
    }
  }
  const wanted = result[action];
  const reached = async () => (await storeState(state)).state === wanted;
  await waitFor(`the store to be ${wanted}`, reached, 5_000);
  return wanted;
}

/** `keep`: start with what its folder holds: a snapshot, its part in a cluster. */
export type ServerChange = { keep?: boolean };

/** The same to one of the store's servers; stop is SIGKILL. */
export async function changeServer(
  state: LabState,
  name: string,
  action: StoreAction,
  { keep = false }: ServerChange = {},
): Promise<StoreStateName> {
  const store = storeOf(state);
  const named = parseServer(name, store.servers);
  const server = store.servers.find((each) => each.name === named) as ServerRecord;
  if (action === 'stop') await end([server], 0);
  else if (action === 'start') {
    if (isPaused(server)) throw new LabError('LAB_CONFLICT', `${name} is paused: resume it first`);
    if (!lives(server)) {
      if (!keep) wipeServer(server);
      await startServer(store.kind, server, state.management, recorder(state));
    }
  } else if (server.process && lives(server)) {
    signalProcess(server.process, action === 'pause' ? 'SIGSTOP' : 'SIGCONT');
  } else throw new LabError('LAB_CONFLICT', `${name} is down: start it first`);
  const wanted = result[action];
  const reached = async () =>
    (await serverStates(state)).some((each) => each.name === name && each.state === wanted);
  await waitFor(`${name} to be ${wanted}`, reached, 5_000);
  return wanted;
}
