/** What a run of `bench store` prints. */
import { availableParallelism, loadavg } from 'node:os';
import { round } from '../figures.ts';
import { align, figure, type Target, targetLine } from '../report.ts';
import { READERS } from './feed.ts';
import { PACE } from './feed-alone.ts';
import { BACKGROUND_PER_S } from './latency.ts';
import {
  BATCH_SIZES,
  type BatchSize,
  type Figure,
  figureOf,
  OPERATIONS,
  type Operation,
  type ProtocolName,
} from './samples.ts';
import type { StoreBenchResult } from './store-bench.ts';

const PROTOCOLS: readonly ProtocolName[] = ['tcp', 'udp'];
const TITLES: Readonly<Record<Operation, string>> = {
  open: 'open',
  findInside: 'find, inside',
  findOutside: 'find, outside',
  touch: 'touch',
  close: 'close',
  sweep: 'sweep (looks)',
};
const BYTES_MAX = 240;

/** The dearer protocol's. */
function serverUs({ samples }: StoreBenchResult, operation: Operation, size: BatchSize = 64) {
  return Math.max(...PROTOCOLS.map((name) => samples.serverUs(name, operation, size).median));
}

function floorOf({ floors }: StoreBenchResult) {
  return {
    setPair: figureOf(floors.map(({ setPair }) => setPair.serverUs)),
    get: figureOf(floors.map(({ get }) => get.serverUs)),
    setPairClient: figureOf(floors.map(({ setPair }) => setPair.clientUs)),
    getClient: figureOf(floors.map(({ get }) => get.clientUs)),
  };
}

function bytesPerFlow({ memory }: StoreBenchResult): number {
  return Math.max(memory.tcp.bytesPerFlow, memory.udp.bytesPerFlow);
}

export function targets(result: StoreBenchResult): Target[] {
  const { setPair, get } = floorOf(result);
  const times = (what: Operation, base: Figure, of: string, max: number): Target => {
    const ratio = serverUs(result, what) / base.median;
    const text = `${TITLES[what]}: ${figure(ratio)}x ${of}, of ${max}x`;
    return { text, isMet: ratio <= max };
  };
  const bytes = bytesPerFlow(result);
  return [
    times('open', setPair, 'a pair of SETs', 2),
    times('touch', setPair, 'a pair of SETs', 1),
    times('findInside', get, 'a GET', 3),
    times('findOutside', get, 'a GET', 4),
    { text: `memory: ${figure(bytes)} of ${BYTES_MAX} B per flow`, isMet: bytes <= BYTES_MAX },
  ];
}

export function storeReportLines(result: StoreBenchResult): string[] {
  const { samples, redisBenchmark, memory, latency, sweepCallP99Us } = result;
  const { setPair, get, setPairClient, getClient } = floorOf(result);
  const rows = [
    ['CPU us per flow: server', ...BATCH_SIZES.map((size) => `batch ${size}`), 'client'],
  ];
  for (const protocol of PROTOCOLS) {
    for (const operation of OPERATIONS) {
      const cells = BATCH_SIZES.map((size) => spread(samples.serverUs(protocol, operation, size)));
      const client = figure(samples.clientUs(protocol, operation, 64).median);
      rows.push([`${protocol} ${TITLES[operation]}`, ...cells, client]);
    }
  }
  rows.push(['floor: pair of SETs', '', '', spread(setPair), figure(setPairClient.median)]);
  rows.push(['floor: GET', '', '', spread(get), figure(getClient.median)]);
  const lines = ['', ...align(rows), '(median of the rounds, nine of ten in brackets)', ''];
  lines.push(
    redisBenchmark === null
      ? 'redis-benchmark is not installed'
      : `redis-benchmark -P 16: pair of SETs ${figure(redisBenchmark.setPairServerUs)}, ` +
          `GET ${figure(redisBenchmark.getServerUs)}`,
  );
  for (const protocol of PROTOCOLS) {
    const { flows, bytesPerFlow, feedBytesPerFlow } = memory[protocol];
    const feed = `${figure(feedBytesPerFlow)} of them the feed's`;
    lines.push(`memory, ${protocol}: ${figure(bytesPerFlow)} B per flow at ${flows}, ${feed}`);
  }
  const calls = BATCH_SIZES.map((size) => `${sweepCallP99Us[size]} us at ${size}`);
  lines.push(`a sweep call holds the server, p99: ${calls.join(', ')} looks`);
  lines.push(
    `a single find: p50 ${figure(latency.p50Us)} us, p99 ${figure(latency.p99Us)} us, under ` +
      `${figure(latency.backgroundPerS)} finds per second (of ${BACKGROUND_PER_S})`,
  );
  lines.push(...feedLines(result));
  return [...lines, '', ...targets(result).map(targetLine)];
}

function feedLines({ feed, feedAlone }: StoreBenchResult): string[] {
  const { eventsPerS, serverUs, unreadUs, missed, disordered, behindMs } = feed;
  return [
    `the feed, ${READERS} readers, of openings: ${figure(eventsPerS)} events per second, ` +
      `${figure(serverUs)} us of the server per event, ${figure(unreadUs)} with nobody who ` +
      `reads; missed ${missed}, in another order ${disordered}, the last one heard ` +
      `${figure(behindMs)} ms after`,
    `the feed, ${READERS} readers, by itself: ${figure(feedAlone.eventsPerS)} events per second ` +
      `(of ${PACE}), ${figure(feedAlone.serverUs)} us of the server per event; missed ` +
      `${feedAlone.missed}, in another order ${feedAlone.disordered}`,
  ];
}

function spread({ median, low, high }: Figure): string {
  return `${figure(median)} (${figure(low)}-${figure(high)})`;
}

/** At the largest batch, of the dearer protocol; `details` holds the rest. */
export function storeJson(result: StoreBenchResult): object {
  const { setPair, get } = floorOf(result);
  const of = (operation: Operation) => round(serverUs(result, operation));
  const details = Object.fromEntries(
    PROTOCOLS.map((name) => [
      name,
      { ...operationsJson(result, name), memory: result.memory[name] },
    ]),
  );
  return {
    store: {
      openServerUs: of('open'),
      findInsideServerUs: of('findInside'),
      findOutsideServerUs: of('findOutside'),
      touchServerUs: of('touch'),
      closeServerUs: of('close'),
      sweepFlowsPerS: Math.round(1e6 / serverUs(result, 'sweep')),
      bytesPerFlow: round(bytesPerFlow(result)),
      findP50Us: round(result.latency.p50Us),
      findP99Us: round(result.latency.p99Us),
      backgroundPerS: Math.round(result.latency.backgroundPerS),
      sweepCallP99Us: result.sweepCallP99Us,
      feed: { readers: READERS, ...result.feed },
      feedAlone: { readers: READERS, ...result.feedAlone },
    },
    floor: {
      setPairServerUs: round(setPair.median),
      getServerUs: round(get.median),
      redisBenchmark: result.redisBenchmark && {
        setPairServerUs: round(result.redisBenchmark.setPairServerUs),
        getServerUs: round(result.redisBenchmark.getServerUs),
      },
    },
    details,
    targets: targets(result),
    machine: { cores: availableParallelism(), node: process.version, load1: round(loadavg()[0]!) },
  };
}

function operationsJson({ samples }: StoreBenchResult, protocol: ProtocolName): object {
  return Object.fromEntries(
    OPERATIONS.map((operation) => [
      operation,
      BATCH_SIZES.map((batch) => ({
        batch,
        serverUs: samples.serverUs(protocol, operation, batch),
        clientUs: samples.clientUs(protocol, operation, batch),
      })),
    ]),
  );
}
