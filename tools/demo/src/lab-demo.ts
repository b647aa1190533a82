/**
 * The demo on real packets: a network of namespaces, two gateways, one Redis, a reaper; the gateway
 * that carries the download is killed, comes back, and then the other one is killed.
 */
import { Lab, sumOf, type Traffic, type TrafficEvent, waitFor } from '@flowstore/lab';
import type { DemoOptions, DemoResult, GatewayResult, TrafficResult } from './result.ts';

const CONNECTIONS_PER_CLIENT = 100;
const TRICKLE_INTERVAL_MS = 200;
const DOWNLOAD_BYTES = 40_000_000;
const DOWNLOAD_SECONDS = 20;
/** How far the download must get between one event and the next. */
const STEP_BYTES = 6_000_000;
const STEP_TIMEOUT_MS = 20_000;
const LOAD_SECONDS_MAX = 90;

export async function runLabDemo({ say, signal }: DemoOptions): Promise<DemoResult> {
  const lab = new Lab();
  const status = await lab.status();
  if (status.state !== 'down') {
    throw new Error('a lab is up already: end it first with `npm run lab -- down`');
  }
  try {
    say('building the network: 2 clients, 2 routers, 2 gateways, 2 servers; Redis, a reaper');
    await lab.up({ gateways: 2, signal });
    say('the gateways are ready; starting the traffic');
    return await new Story(lab, say, signal).run();
  } finally {
    say('cleaning up');
    await lab.down();
  }
}

/** What a gateway counted, over all of its lives. */
interface Tally {
  packetsOut: number;
  packetsIn: number;
  bytesIn: number;
  foundInStore: number;
  kills: number;
}

class Story {
  readonly #lab: Lab;
  readonly #say: (line: string) => void;
  readonly #signal: AbortSignal;
  readonly #startedMs = performance.now();
  readonly #tallies = new Map<string, Tally>();
  #loads: Loads | undefined;

  constructor(lab: Lab, say: (line: string) => void, signal: AbortSignal) {
    this.#lab = lab;
    this.#say = say;
    this.#signal = signal;
    for (const name of ['gw1', 'gw2']) {
      this.#tallies.set(name, {
        packetsOut: 0,
        packetsIn: 0,
        bytesIn: 0,
        foundInStore: 0,
        kills: 0,
      });
    }
  }

  async run(): Promise<DemoResult> {
    const ticker = setInterval(() => this.#loads && this.#tell(this.#loads.progressLine()), 2_000);
    try {
      this.#loads = await Loads.start(this.#lab);
      await this.#step('the download to get going');
      const first = await this.#busiest();
      await this.#kill(first, 'it carries the download');
      await this.#step('the download to go on without it');
      const second = first === 'gw1' ? 'gw2' : 'gw1';
      this.#tell(`${first} is started again`);
      await this.#lab.start(first, { signal: this.#signal });
      this.#tell(`${first} is ready and has its routes back`);
      await this.#kill(second, 'the other one');
      const traffic = await this.#loads.finish();
      await this.#read(first);
      return { traffic, gateways: this.#gateways(), failures: this.#failures(traffic) };
    } finally {
      clearInterval(ticker);
    }
  }

  /** Waits until the download got STEP_BYTES further. */
  async #step(what: string): Promise<void> {
    const target = this.#loads!.downloaded + STEP_BYTES;
    await waitFor(
      what,
      () => {
        this.#signal.throwIfAborted();
        return this.#loads!.downloaded >= target || this.#loads!.downloadEnded;
      },
      STEP_TIMEOUT_MS,
    );
  }

  /** The gateway through which the download's data comes: the inbound bytes tell. */
  async #busiest(): Promise<string> {
    for (const name of this.#tallies.keys()) await this.#read(name);
    const [busiest] = [...this.#tallies].sort(([, a], [, b]) => b.bytesIn - a.bytesIn)[0]!;
    return busiest;
  }

  async #kill(name: string, why: string): Promise<void> {
    await this.#read(name);
    const tally = this.#tallies.get(name)!;
    await this.#lab.kill(name);
    tally.kills++;
    this.#lives.delete(name);
    this.#tell(`${name} KILLED (SIGKILL; ${why}); both routers dropped it`);
  }

  /** Counts of the life that is going on, so that a new life adds to them. */
  readonly #lives = new Map<string, Tally>();

  async #read(name: string): Promise<void> {
    const metrics = await this.#lab.metrics(name);
    const now: Tally = {
      packetsOut: sumOf(metrics, 'flowstore_packets_out_total'),
      packetsIn: sumOf(metrics, 'flowstore_packets_in_total'),
      bytesIn: sumOf(metrics, 'flowstore_bytes_in_total'),
      foundInStore:
        sumOf(metrics, 'flowstore_found_in_store_total') +
        sumOf(metrics, 'flowstore_flows_foreseen_total'),
      kills: 0,
    };
    const before = this.#lives.get(name);
    const tally = this.#tallies.get(name)!;
    for (const key of ['packetsOut', 'packetsIn', 'bytesIn', 'foundInStore'] as const) {
      tally[key] += now[key] - (before?.[key] ?? 0);
    }
    this.#lives.set(name, now);
  }

  #gateways(): GatewayResult[] {
    return [...this.#tallies].map(([name, tally]) => ({ name, ...tally }));
  }

  #failures(traffic: readonly TrafficResult[]): string[] {
    const failures = [...this.#loads!.failures];
    for (const { name, opened, survived, reset } of traffic) {
      if (survived < opened)
        failures.push(`${opened - survived} of ${opened} ${name} (${reset} reset)`);
    }
    const found = [...this.#tallies.values()].reduce((sum, tally) => sum + tally.foundInStore, 0);
    if (found === 0) failures.push('no flow was found in the store: the kills proved nothing');
    return failures;
  }

  #tell(line: string): void {
    const seconds = ((performance.now() - this.#startedMs) / 1_000).toFixed(1).padStart(5);
    this.#say(`${seconds} s  ${line}`);
  }
}

/** The traffic of the demo: all of it started, running, and asked how it went. */
class Loads {
  readonly failures: string[] = [];
  readonly #server: Traffic;
  readonly #trickles: readonly Traffic[];
  readonly #download: Traffic;
  readonly #udp: Traffic;
  readonly #ping: Traffic;

  static async start(lab: Lab): Promise<Loads> {
    const server = lab.traffic('server1', 'server');
    await server.waitFor('listening', 10_000);
    const bounded = ['--seconds', `${LOAD_SECONDS_MAX}`];
    const trickle = [
      ...bounded,
      '--connections',
      `${CONNECTIONS_PER_CLIENT}`,
      '--interval-ms',
      `${TRICKLE_INTERVAL_MS}`,
    ];
    const trickles = ['client1', 'client2'].map((node) => lab.traffic(node, 'trickle', trickle));
    const udp = lab.traffic('client1', 'udp-echo', [...bounded, '--flows', '10']);
    const ping = lab.traffic('client2', 'ping', bounded);
    await Promise.all(trickles.map((each) => each.waitFor('opened', 20_000)));
    const size = ['--bytes', `${DOWNLOAD_BYTES}`, '--seconds', `${DOWNLOAD_SECONDS}`];
    const download = lab.traffic('client1', 'download', [...size, '--progress-ms', '200']);
    await download.waitFor('connected', 10_000);
    return new Loads(server, trickles, download, udp, ping);
  }

  private constructor(
    server: Traffic,
    trickles: readonly Traffic[],
    download: Traffic,
    udp: Traffic,
    ping: Traffic,
  ) {
    this.#server = server;
    this.#trickles = trickles;
    this.#download = download;
    this.#udp = udp;
    this.#ping = ping;
  }

  get downloaded(): number {
    return number(this.#download.latest.get('progress'), 'bytes');
  }

  get downloadEnded(): boolean {
    return this.#download.latest.has('summary');
  }

  progressLine(): string {
    const sum = (field: string) =>
      this.#trickles.reduce(
        (total, each) =>
          total + number(each.latest.get('progress') ?? each.latest.get('opened'), field),
        0,
      );
    const open = sum('survived') + sum('waiting');
    const megabytes = (this.downloaded / 1e6).toFixed(1);
    const pings = number(this.#ping.latest.get('progress'), 'received');
    return (
      `download ${megabytes} of ${DOWNLOAD_BYTES / 1e6} MB, ${open} connections open, ` +
      `${sum('reset')} reset, ${pings} pings answered`
    );
  }

  /** Lets the download end, stops the rest, and says how each fared. */
  async finish(): Promise<TrafficResult[]> {
    const download = await this.#download.summary(60_000);
    const results = [this.#downloadResult(download)];
    const trickles = await Promise.all(this.#trickles.map((each) => each.stop()));
    results.push(this.#trickleResult(trickles));
    results.push(this.#datagramResult('UDP flows', await this.#udp.stop(), 10));
    results.push(this.#datagramResult('ping', await this.#ping.stop(), 1));
    await this.#server.stop();
    return results;
  }

  #downloadResult(summary: TrafficEvent): TrafficResult {
    const ok = summary.ok === true;
    if (!ok) this.failures.push(`the download: ${summary.error ?? 'wrong SHA-256'}`);
    const megabytes = (number(summary, 'bytes') / 1e6).toFixed(1);
    return {
      name: 'HTTP download',
      opened: 1,
      survived: ok ? 1 : 0,
      reset: ok ? 0 : 1,
      longestGapMs: number(summary, 'longestGapMs'),
      note: `${megabytes} MB, SHA-256 ${ok ? 'right' : 'WRONG'}`,
    };
  }

  #trickleResult(summaries: readonly TrafficEvent[]): TrafficResult {
    const sum = (field: string) =>
      summaries.reduce((total, each) => total + number(each, field), 0);
    const asked = sum('asked');
    if (sum('opened') < asked)
      this.failures.push(`${asked - sum('opened')} connections not opened`);
    if (sum('misdelivered') > 0) this.failures.push(`${sum('misdelivered')} echoes misdelivered`);
    return {
      name: 'trickling TCP connections',
      opened: sum('opened'),
      survived: sum('survived'),
      reset: sum('reset'),
      longestGapMs: Math.max(...summaries.map((each) => number(each, 'longestGapMs'))),
      note: `${sum('received')} of ${sum('sent')} echoes, one every ${TRICKLE_INTERVAL_MS} ms each`,
    };
  }

  #datagramResult(name: string, summary: TrafficEvent, flows: number): TrafficResult {
    const ok = summary.ok === true;
    if (number(summary, 'misdelivered') > 0) this.failures.push(`${name}: misdelivered datagrams`);
    const lost = number(summary, 'lost');
    return {
      name,
      opened: flows,
      survived: ok ? flows : 0,
      reset: 0,
      longestGapMs: number(summary, 'longestGapMs'),
      note: `${number(summary, 'received')} answers, ${lost} lost on the way`,
    };
  }
}

function number(event: TrafficEvent | undefined, field: string): number {
  const value = event?.[field];
  return typeof value === 'number' ? value : 0;
}
