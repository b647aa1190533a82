/**
 * The story: traffic begins; the gateway that carries the download's data is killed and started
 * again; then the other one is killed. Everything in it waits for what it wants to see.
 */
import type { DemoResult } from '../result.ts';
import type { OpenStore } from './gateway.ts';
import { Loop } from './loop.ts';
import { Network } from './network.ts';
import { GATEWAYS } from './plan.ts';
import { Traffic, type TrafficOptions } from './traffic.ts';

export interface StoryOptions extends TrafficOptions {
  readonly openStore: OpenStore;
  readonly clock: () => number;
  /** Uniform 32-bit numbers. */
  readonly random: () => number;
  /** How long the killed gateway stays away. */
  readonly awayMs: number;
  /** How long the end waits for the last answers, and then for the connections to close. */
  readonly settleMaxMs: number;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

const OPEN_MAX_MS = 15_000;
const STOP_MAX_MS = 3_000;
/** A download may take so much longer than its pace, for what the kills cost it. */
const DOWNLOAD_DELAY_MAX_MS = 10_000;
const FIRST_KILL_AT = 0.3;
const SECOND_KILL_AT = 0.7;
/** A flow that had no packet for so long is not counted as carried. */
const CARRIED_WITHIN_MS = 1_000;
const PROGRESS_EVERY_MS = 1_000;
/** Each try has an even chance that the two directions cross different gateways. */
const CROSSING_TRIES_MAX = 40;

export async function playStory(options: StoryOptions): Promise<DemoResult> {
  const story = new Story(options);
  try {
    return await story.play();
  } finally {
    story.close();
  }
}

class Story {
  readonly #options: StoryOptions;
  readonly #network: Network;
  readonly #traffic: Traffic;
  readonly #loop: Loop;
  readonly #startMs: number;
  readonly #failures: string[] = [];
  #progressAtMs: number;

  constructor(options: StoryOptions) {
    this.#options = options;
    this.#startMs = options.clock();
    this.#progressAtMs = this.#startMs + PROGRESS_EVERY_MS;
    this.#network = new Network(options);
    this.#traffic = new Traffic(this.#network, options, options.clock);
    // The traffic joins once the gateways are there.
    const traffic = { step: (nowMs: number) => (this.#isUp ? this.#traffic.step(nowMs) : 0) };
    const progress = { step: (nowMs: number) => this.#tellProgress(nowMs) };
    this.#loop = new Loop([traffic, this.#network, progress], options.clock, options.signal);
  }

  async play(): Promise<DemoResult> {
    await this.#initialise();
    for (const name of GATEWAYS) await this.#network.start(name);
    this.#say(`${GATEWAYS.join(' and ')} have joined; traffic begins`);
    await this.#open();
    const [first, second] = await this.#connectDownload();
    if (await this.#reaches(FIRST_KILL_AT)) await this.#killAndReturn(first);
    if (await this.#reaches(SECOND_KILL_AT)) await this.#killForGood(second);
    this.#checkKills();
    await this.#finish();
    return this.#result();
  }

  close(): void {
    this.#loop.stop();
    this.#network.close();
  }

  async #initialise(): Promise<void> {
    const store = await this.#options.openStore();
    try {
      await store.initialise('new');
    } finally {
      await store.end();
    }
  }

  async #open(): Promise<void> {
    const { trickle } = this.#traffic;
    await this.#loop.until(() => trickle.isOpen, OPEN_MAX_MS, 'all connections to open');
    this.#say(`${trickle.connections.length} TCP connections are open`);
  }

  /**
   * Connects until data and acknowledgements cross different gateways: so each kill hits the
   * download. Returns the gateway of the data, and the other.
   */
  async #connectDownload(): Promise<[string, string]> {
    for (let tries = 1; tries <= CROSSING_TRIES_MAX; tries++) {
      const download = this.#traffic.connectDownload();
      const isThere = () => this.#dataCarrier !== undefined && download.isOpen;
      await this.#loop.until(isThere, OPEN_MAX_MS, 'the download to connect');
      const data = this.#dataCarrier!;
      const acknowledgements = this.#network.lan.carrierOf(download.tuple)!.gateway;
      if (data !== acknowledgements) {
        download.request();
        this.#say(`the download begins: its data through ${data}, its ACKs ${acknowledgements}`);
        return [data, acknowledgements];
      }
      download.abandon();
      this.#traffic.downloadServer.lastTuple = null;
    }
    throw new Error('no connection crosses both gateways: the ECMP hash is broken');
  }

  get #dataCarrier(): string | undefined {
    const tuple = this.#traffic.downloadServer.lastTuple;
    return tuple === null ? undefined : this.#network.wan.carrierOf(tuple)?.gateway;
  }

  /** False where the download is lost: the story then has no more to show. */
  async #reaches(progress: number): Promise<boolean> {
    const download = this.#traffic.download!;
    const withinMs = this.#options.downloadMs + DOWNLOAD_DELAY_MAX_MS;
    const isThere = () => download.isOver || download.progress >= progress;
    await this.#loop.until(isThere, withinMs, `the download to reach ${progress * 100} %`);
    return !download.isOver;
  }

  async #killAndReturn(name: string): Promise<void> {
    await this.#killAndLook(name);
    await this.#network.start(name);
    this.#say(`${name} is back with an empty table; the routers use it again`);
  }

  async #killForGood(name: string): Promise<void> {
    await this.#killAndLook(name);
    await this.#reaches(1);
  }

  /** Kills, and looks for a while at what the survivor makes of it. */
  async #killAndLook(name: string): Promise<void> {
    const before = this.#kill(name);
    const { awayMs, clock } = this.#options;
    const backMs = clock() + awayMs;
    await this.#patiently(() => clock() >= backMs, awayMs);
    const found = this.#foundInStore - before;
    this.#say(`since the kill of ${name} ${found} flows were found in the store`);
  }

  /** Returns how many flows had been found in the store until then. */
  #kill(name: string): number {
    const nowMs = this.#options.clock();
    const sinceMs = nowMs - CARRIED_WITHIN_MS;
    const { trickle, download, downloadServer } = this.#traffic;
    const hit = this.#network.carries(name, download!.tuple, downloadServer.lastTuple!, sinceMs);
    if (!hit) this.#failures.push(`${name} was killed without carrying the download`);
    const carried = this.#traffic.carriedBy(name, sinceMs);
    this.#network.kill(name, nowMs);
    this.#say(
      `${name} killed: it carried ${carried} of ${trickle.connections.length} connections` +
        `${hit ? ' and the download' : ''}; the routers drop it within 100 ms`,
    );
    return this.#foundInStore;
  }

  #checkKills(): void {
    for (const { result } of this.#network.gateways) {
      if (result.kills === 0) this.#failures.push(`${result.name} was never killed`);
    }
    // After the first kill the survivor may know all flows by chance: their other direction. The
    // gateway that came back with an empty table knows none when the other one dies.
    if (this.#foundInStore === 0) {
      this.#failures.push('nothing was found in the store: the kills proved nothing');
    }
  }

  get #foundInStore(): number {
    return this.#network.gateways.reduce((sum, { result }) => sum + result.foundInStore, 0);
  }

  async #finish(): Promise<void> {
    const traffic = this.#traffic;
    const { settleMaxMs } = this.#options;
    traffic.stop();
    await this.#patiently(() => traffic.isSettled(this.#options.clock()), settleMaxMs);
    traffic.trickle.close();
    await this.#patiently(() => traffic.trickle.isClosed, settleMaxMs);
    for (const gateway of this.#network.gateways) {
      await gateway.stop((holds) => this.#loop.until(holds, STOP_MAX_MS, 'a gateway to stop'));
    }
    this.#say('all connections are closed, the last gateway has left');
  }

  /** What does not happen in time is told by the results. */
  async #patiently(holds: () => boolean, withinMs: number): Promise<void> {
    const endMs = this.#options.clock() + withinMs;
    const isOver = () => holds() || this.#options.clock() >= endMs;
    await this.#loop.until(isOver, 2 * withinMs, 'the end');
  }

  #result(): DemoResult {
    const { clients, servers, gateways } = this.#network;
    const failures = [...this.#failures, ...this.#traffic.failures()];
    for (const { malformed, wrongChecksums } of [...clients, ...servers]) {
      if (malformed > 0) failures.push(`${malformed} malformed packets reached a host`);
      if (wrongChecksums > 0) failures.push(`${wrongChecksums} packets had a wrong checksum`);
    }
    for (const { problems } of gateways) failures.push(...new Set(problems));
    return {
      traffic: this.#traffic.results(),
      gateways: gateways.map(({ result }) => result),
      failures,
    };
  }

  get #isUp(): boolean {
    return this.#network.lan.gateways.length > 0 && this.#network.gateways.some((g) => g.isAlive);
  }

  #tellProgress(nowMs: number): number {
    if (nowMs < this.#progressAtMs) return 0;
    this.#progressAtMs += PROGRESS_EVERY_MS;
    if (this.#traffic.download !== null) this.#say(this.#traffic.progressText);
    return 0;
  }

  #say(text: string): void {
    const seconds = (this.#options.clock() - this.#startMs) / 1_000;
    this.#options.say(`${seconds.toFixed(1).padStart(5)} s: ${text}`);
  }
}
