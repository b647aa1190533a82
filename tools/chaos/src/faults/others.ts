/** Reapers, a configuration that changes, a full disk: nobody's flows may notice. */
import { LabError } from '@flowstore/lab';
import { fill } from '../log-disk.ts';
import type { Fault, Stage } from './fault.ts';

const RESTARTS_MAX = 30;
const RESTART_MS = 2_000;

/** As a supervisor does: a reaper that finds no store ends, and is started again. */
async function startSupervised({ lab, log, sleep }: Stage, name: string): Promise<void> {
  for (let restarts = 0; ; restarts++) {
    try {
      return await lab.start(name);
    } catch (error) {
      const ended =
        error instanceof LabError && error.message.includes('FLOWSTORE_STORE_UNAVAILABLE');
      if (!ended || restarts >= RESTARTS_MAX) throw error;
      log(`${name} found no store, and is started again`);
      await sleep(RESTART_MS);
    }
  }
}

export const reaperKill: Fault = async (stage, step) => {
  const { lab, windows, sleep } = stage;
  const window = windows.open('reaper killed', {});
  await lab.kill('reaper1');
  await sleep(step.lastsMs);
  await startSupervised(stage, 'reaper1');
  window.end();
};

/** With whatever it was about to send; it sends it afterwards. */
export const reaperStop: Fault = async ({ lab, windows, sleep }, step) => {
  const window = windows.open('reaper stopped', {});
  await lab.signal('reaper1', 'pause');
  await sleep(step.lastsMs);
  await lab.signal('reaper1', 'resume');
  window.end();
};

/** UDP's timeout a little longer, or shorter; back and forth, so that it never grows too much. */
export const publish: Fault = async ({ lab, windows, figures }, step) => {
  const window = windows.open('configuration published', {});
  const udpMs = figures.timeouts.udpMs + (step.variant ? 5_000 : 0);
  await lab.publish({ timeouts: { udpMs } });
  window.end();
};

/** No session log can be written: its lines are lost, and counted; flows go on. */
export const diskFull: Fault = async ({ windows, logFolder, sleep }, step) => {
  const window = windows.open('disk of the log full', {});
  const makeRoom = fill(logFolder);
  await sleep(step.lastsMs);
  makeRoom();
  window.end();
};
