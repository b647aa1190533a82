// What is done to the store on purpose: outages (stop), losses (start), stalls (pause).
import { LabError } from './errors.ts';
import { endProcesses, processState, signalProcess } from './processes.ts';
import { type LabState, writeState } from './state.ts';
import { type StoreStateName, storeState } from './status.ts';
import { startStore } from './store.ts';
import { waitFor } from './wait.ts';

export type StoreAction = 'stop' | 'start' | 'pause' | 'resume';

const result: Record<StoreAction, StoreStateName> = {
  stop: 'down',
  start: 'up',
  pause: 'paused',
  resume: 'up',
};

/** Does it, waits until it took hold, and answers the state. Doing it twice is fine. */
export async function changeStore(state: LabState, action: StoreAction): Promise<StoreStateName> {
  const store = state.store;
  if (!store) throw new LabError('LAB_CONFLICT', 'this lab was brought up without a store');
  const id = store.process;
  const lives = id !== null && processState(id) !== 'gone';
  if (action === 'start') {
    // A paused server is there with its data: starting an empty one beside it can't be meant.
    if (lives && processState(id) === 'stopped') {
      throw new LabError('LAB_CONFLICT', 'the store is paused: store resume, or store stop first');
    }
    if (!lives) {
      await startStore(state.management, (started) => {
        store.process = started;
        writeState(state);
      });
    }
  } else if (action === 'stop') {
    if (lives) await endProcesses([id], 2_000);
    store.process = null;
  } else {
    if (!lives) throw new LabError('LAB_CONFLICT', 'the store is down: store start');
    signalProcess(id, action === 'pause' ? 'SIGSTOP' : 'SIGCONT');
  }
  const wanted = result[action];
  const reached = async () => (await storeState(state)).state === wanted;
  await waitFor(`the store to be ${wanted}`, reached, 5_000);
  return wanted;
}
