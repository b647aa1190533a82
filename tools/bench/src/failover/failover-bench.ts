/**
 * `npm run bench -- failover`: the same kill, the same clients, on this house's gateways and on the
 * kernel's NAT with conntrackd, in the lab's network.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FlowStory, TrafficRun, Windows } from '@flowstore/chaos/traffic';
import { Lab } from '@flowstore/lab';
import { runDrainBench } from '../drain/drain-bench.ts';
import { FarServers } from './far-servers.ts';
import { KernelNat, type KernelNatOptions, MANY_OUTSIDE } from './kernel-nat.ts';
import { measureRfc9693, type Rfc9693Figures } from './rfc9693/rfc9693.ts';
import { Capture, takeOverMs } from './sightings.ts';

export const FAILOVER_FLOWS_MAX = 50_000;
export const FAILOVER_SIZES_DEFAULT = [1, 1_000, 10_000];
/** How many gateways are active at once, and how far the servers are. */
const ACTIVES_DEFAULT: readonly Actives[] = [
  { gateways: 2, roundTripMs: 0 },
  { gateways: 2, roundTripMs: 20 },
  { gateways: 3, roundTripMs: 0 },
];
const CONNECTIONS = 5_000;
/** How fast connections begin: to fill, and where it is measured how long they take. */
const FILL_PER_S = 2_000;
const OPEN_PER_S = 400;
const CALM_MS = 4_000;
const AFTER_MS = 12_000;
const INTERVAL_MS = 1_000;
/** The witness' quarantine: duplicates at any time of a run count. */
const ANY_TIME_MS = 1e9;
const NOTICED_MS = 100;
/** Enough for a pace. */
const TORN_DOWN = 100_000;

export interface KillFigures {
  readonly flows: number;
  readonly opened: number;
  readonly lost: number;
  readonly resets: number;
  /** Of any flow, as its client sees it; its own interval is no part of it. */
  readonly longestGapMs: number;
  /** From a flow's first packet at the gateway that lives until it left there; null: none moved. */
  readonly takeOverP999Ms: number | null;
  readonly moved: number;
}

export interface Actives {
  readonly gateways: number;
  /** To the servers, beside what the network takes anyway. */
  readonly roundTripMs: number;
}

export interface ActiveFigures extends Actives {
  readonly asked: number;
  readonly openedPercent: number;
  readonly handshakeP50Ms: number;
  readonly handshakeP99Ms: number;
  /** Outside endpoints that two inside endpoints had at once. */
  readonly duplicates: number;
}

/** RFC 9693's, with what takes all connections down at once: the reaper, and `conntrack -F`. */
export interface BenchmarkFigures extends Rfc9693Figures {
  readonly tornDownPerS: number;
}

export interface FailoverResult {
  readonly kills: { readonly flowstore: KillFigures[]; readonly conntrackd: KillFigures[] };
  readonly rfc9693: {
    readonly flowstore: BenchmarkFigures;
    readonly conntrackd: BenchmarkFigures;
  };
  readonly active: {
    readonly flowstore: ActiveFigures[];
    readonly conntrackd: ActiveFigures[];
    readonly conntrackdWithoutExternalCache: ActiveFigures[];
  };
}

type Say = (line: string) => void;

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

const ascending = (values: number[]) => values.sort((a, b) => a - b);

/** Half of the flows from each client; one alone from the first. */
async function withTraffic(
  lab: Lab,
  flows: number,
  beginPerS: number,
  work: () => Promise<void>,
): Promise<{ stories: FlowStory[]; conflicts: number }> {
  const traffic = new TrafficRun(lab, new Windows());
  const none = { idles: 0, bulks: 0, udps: 0, shortsPerS: 0, dnsPerS: 0 };
  const each = Math.max(1, Math.round(flows / 2));
  const pace = { intervalMs: INTERVAL_MS, beginPerS: beginPerS / 2 };
  await traffic.start({ ...none, trickles: each, ...pace }, ANY_TIME_MS);
  await work();
  await traffic.stop();
  return { stories: traffic.stories, conflicts: traffic.conflicts.length };
}

async function measureKill(lab: Lab, flows: number, kill: () => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'flowstore-failover-'));
  let took: number[] = [];
  const { stories } = await withTraffic(lab, flows, FILL_PER_S, async () => {
    const [arrived, left] = [
      await Capture.start(lab, 'lan', 'gw2', folder),
      await Capture.start(lab, 'wan', 'gw2', folder),
    ];
    await sleep(CALM_MS);
    const killedMs = Date.now();
    await kill();
    await sleep(AFTER_MS);
    took = ascending(takeOverMs(await arrived.stop(), await left.stop(), killedMs));
  });
  rmSync(folder, { recursive: true, force: true });
  return { ...killFigures(stories, flows), ...takeOver(took) };
}

function killFigures(stories: readonly FlowStory[], flows: number) {
  const opened = stories.filter(({ openedMs }) => openedMs !== null);
  const lost = opened.filter(({ outcome }) => outcome !== 'survived').length;
  const resets = opened.filter(({ outcome }) => outcome === 'reset').length;
  const longestGapMs = Math.round(Math.max(0, ...opened.map((story) => story.longestGapMs)));
  return { flows, opened: opened.length, lost, resets, longestGapMs };
}

function takeOver(took: readonly number[]): Pick<KillFigures, 'takeOverP999Ms' | 'moved'> {
  const p999 = took.length === 0 ? null : Math.round(percentile(took, 0.999) * 10) / 10;
  return { takeOverP999Ms: p999, moved: took.length };
}

async function measureActive(
  lab: Lab,
  { gateways, roundTripMs }: Actives,
  count: () => Promise<number>,
): Promise<ActiveFigures> {
  let counted = 0;
  const { stories, conflicts } = await withTraffic(lab, CONNECTIONS, OPEN_PER_S, async () => {
    await sleep(CALM_MS);
    counted = await count();
  });
  const opened = stories.filter(({ openedMs }) => openedMs !== null);
  const took = ascending(opened.map(({ beganMs, openedMs }) => openedMs! - beganMs));
  const works = opened.filter(({ outcome }) => outcome === 'survived').length;
  return {
    gateways,
    roundTripMs,
    asked: stories.length,
    openedPercent: Math.round((1_000 * works) / stories.length) / 10,
    handshakeP50Ms: Math.round(percentile(took, 0.5)),
    handshakeP99Ms: Math.round(percentile(took, 0.99)),
    duplicates: Math.max(counted, conflicts),
  };
}

async function inLab<T>(
  { gateways, roundTripMs }: Actives,
  kernel: boolean,
  work: (lab: Lab) => Promise<T>,
) {
  const lab = new Lab();
  const far = roundTripMs > 0 ? new FarServers(roundTripMs) : null;
  try {
    await lab.up({
      gateways,
      ...(far === null ? {} : { extend: () => far.begin() }),
      ...(kernel ? { apps: 'none' as const, store: false } : {}),
    });
    return await work(lab);
  } finally {
    await lab.down();
    await far?.end();
  }
}

async function withKernelNat<T>(
  options: KernelNatOptions,
  roundTripMs: number,
  work: (lab: Lab, nat: KernelNat) => Promise<T>,
): Promise<T> {
  return inLab({ gateways: options.gateways, roundTripMs }, true, async (lab) => {
    const nat = new KernelNat(lab, options);
    try {
      await nat.start(options);
      return await work(lab, nat);
    } finally {
      nat.stop();
    }
  });
}

const PAIR = { gateways: 2, roundTripMs: 0 };
const KERNEL_PAIR = { gateways: 2, externalCache: 'on' } as const;

/** The routers notice a while after it happened. */
async function killOne(lab: Lab): Promise<void> {
  await lab.kill('gw1', { keepRoute: true });
  await sleep(NOTICED_MS);
  await lab.route('gw1', 'off');
}

/** gw2 is the backup: it gets the traffic once it took over. */
async function handOver(lab: Lab, nat: KernelNat): Promise<void> {
  await nat.kill('gw1');
  await sleep(NOTICED_MS);
  await nat.takeOver('gw2');
  await lab.route('gw2', 'on').catch(() => {});
  await lab.route('gw1', 'off');
}

const killFlowstore = (flows: number) =>
  inLab(PAIR, false, (lab) => measureKill(lab, flows, () => killOne(lab)));

const killConntrackd = (flows: number) =>
  withKernelNat(KERNEL_PAIR, 0, async (lab, nat) => {
    await lab.route('gw2', 'off');
    return measureKill(lab, flows, () => handOver(lab, nat));
  });

async function benchmarkFlowstore(say: Say): Promise<BenchmarkFigures> {
  const figures = await inLab(PAIR, false, (lab) => measureRfc9693(lab, () => killOne(lab)));
  const { flowsPerS } = await runDrainBench(TORN_DOWN, say);
  return { ...figures, tornDownPerS: Math.round(flowsPerS) };
}

const benchmarkConntrackd = () =>
  withKernelNat(
    { ...KERNEL_PAIR, outside: MANY_OUTSIDE },
    0,
    async (lab, nat): Promise<BenchmarkFigures> => {
      await lab.route('gw2', 'off');
      const figures = await measureRfc9693(lab, () => handOver(lab, nat));
      return { ...figures, tornDownPerS: await nat.flush('gw2') };
    },
  );

export async function runFailoverBench(
  sizes: readonly number[],
  say: Say,
  actives: readonly Actives[] = ACTIVES_DEFAULT,
): Promise<FailoverResult> {
  const kills: FailoverResult['kills'] = { flowstore: [], conntrackd: [] };
  for (const flows of sizes) {
    say(`a kill under ${flows} flows`);
    kills.flowstore.push(await killFlowstore(flows));
    kills.conntrackd.push(await killConntrackd(flows));
  }
  say('the figures of RFC 9693');
  const rfc9693 = {
    flowstore: await benchmarkFlowstore(say),
    conntrackd: await benchmarkConntrackd(),
  };
  const active: FailoverResult['active'] = {
    flowstore: [],
    conntrackd: [],
    conntrackdWithoutExternalCache: [],
  };
  for (const each of actives) {
    const { gateways, roundTripMs } = each;
    say(`${gateways} active gateways, ${roundTripMs} ms to the servers and back`);
    active.flowstore.push(
      await inLab(each, false, (lab) => measureActive(lab, each, async () => 0)),
    );
    for (const externalCache of ['on', 'off'] as const) {
      const into =
        externalCache === 'on' ? active.conntrackd : active.conntrackdWithoutExternalCache;
      into.push(
        await withKernelNat({ gateways, externalCache }, roundTripMs, (lab, nat) =>
          measureActive(lab, each, () => nat.duplicates()),
        ),
      );
    }
  }
  return { kills, rfc9693, active };
}
