/** A store that is away, that forgot something, or that is replaced. */
import { silenceMs } from '@flowstore/flow';
import { waitFor } from '@flowstore/lab';
import { nowMs } from '../clock.ts';
import { type Figures, graceMs } from '../figures.ts';
import type { Step } from '../plan.ts';
import { overlaps, type Window } from '../windows.ts';
import { backMs, type Fault, type Stage, TAKE_OVER_MS } from './fault.ts';

const PROMOTED_MS_MAX = 30_000;
/** How long replicas hear nothing before their master dies: so much is lost. */
const UNREPLICATED_MS = 700;
/** How old a snapshot is when it is loaded. */
const SNAPSHOT_AGE_MS = 8_000;

type Open = { end(lingersMs?: number): void };

/** Away, and from when it is back until grace is over new flows may fail and be forgotten. */
function forgetting({ windows }: Stage, what: string): { away: Open; forgets: Open } {
  const suffering: Partial<Window> = { refuses: true, loses: true };
  return {
    away: windows.open(`store away: ${what}`, { ...suffering, storeAway: true }),
    forgets: windows.open(`store forgets: ${what}`, { ...suffering, forgets: true }),
  };
}

/** Ports are leased once what was bound before is sure to be out of quarantine (outages.md). */
const grantedMs = (figures: Figures) =>
  figures.quarantineMs + figures.slack.clockSkewMs + backMs(figures);

const NO_PORTS = 'new flows want ports';
const GRACE = 'grace after a silence';

/**
 * While gateways tell it again what they hold, one that has to ask for a flow may have to wait: so
 * long is the store away for flows that change gateways.
 */
function isBack(
  { figures, windows }: Stage,
  { away, forgets }: { away: Open; forgets: Open },
): void {
  away.end(2 * figures.heartbeatMs + TAKE_OVER_MS);
  forgets.end(graceMs(figures));
  windows.open(NO_PORTS, { refuses: true }).end(grantedMs(figures));
}

/** Whether the store counts as one that knows all after a silence: it was no longer than a lease,
 * and none was told of a former outage when it began. */
function keptAll({ figures, windows }: Stage, fromMs: number, { lastsMs }: Step): boolean {
  const { heartbeatMs, leaseMs } = figures;
  const isShort = lastsMs + 2 * heartbeatMs <= silenceMs(figures) + leaseMs;
  const isUnsure = ({ kind }: Window) => kind === NO_PORTS || kind === GRACE;
  return isShort && !windows.all.some((w) => isUnsure(w) && overlaps(w, fromMs, fromMs));
}

export const storePause: Fault = async (stage, step) => {
  const { lab, windows, figures, sleep } = stage;
  const isKept = keptAll(stage, nowMs(), step);
  // Known flows go on for as long as it lasts; new ones open from leases, where there are any.
  const window = windows.open('store paused', { loses: true, storeAway: true });
  const ports = windows.open(NO_PORTS, { refuses: true });
  await lab.store('pause');
  await sleep(step.lastsMs);
  await lab.store('resume');
  window.end(2 * figures.heartbeatMs + TAKE_OVER_MS);
  const isSilence = step.lastsMs + figures.heartbeatMs >= silenceMs(figures);
  ports.end(isSilence && !isKept ? grantedMs(figures) : backMs(figures));
  if (isSilence) windows.open(GRACE, {}).end(graceMs(figures));
};

/** All of its servers, and all of its data. */
export const storeRestartEmpty: Fault = async (stage, step) => {
  const open = forgetting(stage, 'restarted empty');
  await stage.lab.store('stop');
  await stage.sleep(step.lastsMs);
  await stage.lab.store('start');
  isBack(stage, open);
};

/** With what it held a while ago: ended flows are back, opened ones are not. */
export const storeRestartOld: Fault = async (stage, step) => {
  const { lab, admin } = stage;
  const { store } = await lab.status();
  const server = store.servers[0]!;
  await admin.with(server, (client) => client.save());
  await stage.sleep(SNAPSHOT_AGE_MS);
  const open = forgetting(stage, 'restarted with old data');
  await lab.server(server.name, 'stop');
  await stage.sleep(step.lastsMs);
  await lab.server(server.name, 'start', { keep: true });
  isBack(stage, open);
};

/** A master dies, and with it what its replicas had not heard yet; one of them is promoted. */
export const storeFailover: Fault = async (stage, step) => {
  const { lab, admin, sleep } = stage;
  const masters = await admin.masters();
  const master = masters[step.target % masters.length]!;
  const replicas = await admin.replicasOf(master);
  const open = forgetting(stage, `failover from ${master.name}`);
  for (const { name } of replicas) await lab.server(name, 'pause');
  await sleep(UNREPLICATED_MS);
  await lab.server(master.name, 'stop');
  for (const { name } of replicas) await lab.server(name, 'resume');
  await admin.untilPromoted(replicas, PROMOTED_MS_MAX);
  isBack(stage, open);
  await sleep(step.lastsMs);
  await lab.server(master.name, 'start', { keep: true });
  await untilReplicasFollow(stage);
};

/**
 * The old master lives on where gateways reach it and nobody else does (Sentinel), or wakes up when
 * it was replaced long ago (cluster).
 */
export const oldMaster: Fault = async (stage, step) => {
  const { lab, admin, sleep } = stage;
  const { store } = await lab.status();
  const masters = await admin.masters();
  const master = masters[step.target % masters.length]!;
  const replicas = await admin.replicasOf(master);
  const open = forgetting(stage, `${master.name} is cut off as a master`);
  if (store.kind === 'cluster') {
    await lab.server(master.name, 'pause');
    await admin.untilPromoted(replicas, PROMOTED_MS_MAX);
    isBack(stage, open);
    await sleep(step.lastsMs);
    await lab.server(master.name, 'resume');
  } else {
    const mend = await isolate(stage, master.port);
    await admin.untilPromoted(replicas, PROMOTED_MS_MAX);
    await sleep(step.lastsMs);
    await mend();
    isBack(stage, open);
  }
  await untilReplicasFollow(stage);
};

/** Replicas and Sentinels don't get in any more; clients that are connected stay. */
async function isolate({ admin }: Stage, port: number): Promise<() => Promise<void>> {
  const client = admin.connect(port);
  await client.config('SET', 'requirepass', 'unknown-to-the-others');
  const others = String(await client.call('CLIENT', 'LIST')).split('\n');
  for (const other of others.filter((line) => /name=sentinel-|flags=S/.test(line))) {
    await client.call('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(other)![1]!);
  }
  return async () => {
    await client.config('SET', 'requirepass', '');
    client.disconnect();
  };
}

/** Every server is up and has its part: nothing counts before (minReplicas). */
async function untilReplicasFollow({ admin, lab }: Stage): Promise<void> {
  const all = async () => {
    const { store } = await lab.status();
    const masters = await admin.masters();
    const counts = await Promise.all(masters.map((each) => admin.replicasOf(each)));
    const replicas = counts.reduce((sum, each) => sum + each.length, 0);
    return masters.length + replicas === store.servers.length;
  };
  await waitFor('replicas to follow', () => all().catch(() => false), 60_000, { everyMs: 500 });
}
