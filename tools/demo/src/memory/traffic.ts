/** All that goes through the gateways in a run. */
import type { TrafficResult } from '../result.ts';
import { Download, DownloadServer } from './download.ts';
import type { Part } from './loop.ts';
import type { Network } from './network.ts';
import { PingProbe, Probes, UdpProbe } from './probe.ts';
import { Trickle } from './trickle.ts';

export interface TrafficOptions {
  readonly downloadBytes: number;
  readonly downloadMs: number;
  readonly connections: number;
  readonly trickleEveryMs: number;
  readonly probeEveryMs: number;
  readonly seed: number;
}

export class Traffic implements Part {
  readonly trickle: Trickle;
  readonly udp: Probes;
  readonly ping: Probes;
  readonly downloadServer: DownloadServer;
  download: Download | null = null;
  readonly #network: Network;
  readonly #options: TrafficOptions;
  readonly #clock: () => number;

  constructor(network: Network, options: TrafficOptions, clock: () => number) {
    this.#network = network;
    this.#options = options;
    this.#clock = clock;
    const { clients, servers } = network;
    const { connections, trickleEveryMs, probeEveryMs: everyMs } = options;
    this.trickle = new Trickle({ clients, servers, connections, everyMs: trickleEveryMs, clock });
    const probe = { everyMs, nowMs: clock(), clock };
    const pairs = clients.map((client, k) => ({ ...probe, client, server: servers[k]! }));
    this.udp = new Probes(
      'UDP echo',
      pairs.map((pair) => new UdpProbe(pair)),
    );
    this.ping = new Probes(
      'ping',
      pairs.map((pair) => new PingProbe(pair)),
    );
    this.downloadServer = new DownloadServer(servers[0]!, clock);
  }

  /** Only connects: `request()` begins it. */
  connectDownload(): Download {
    const { downloadBytes: bytes, downloadMs: durationMs, seed } = this.#options;
    const client = this.#network.clients[0]!;
    const server = this.#network.servers[0]!;
    this.download = new Download({ client, server, bytes, durationMs, seed, clock: this.#clock });
    return this.download;
  }

  step(nowMs: number): number {
    for (const part of [this.downloadServer, this.trickle, this.udp, this.ping]) part.step(nowMs);
    return 0;
  }

  /** No more questions; what is on its way may still arrive. */
  stop(): void {
    for (const part of [this.trickle, this.udp, this.ping]) part.stop();
  }

  isSettled(nowMs: number): boolean {
    const { trickle, udp, ping } = this;
    return trickle.isSettled && udp.isSettled(nowMs) && ping.isSettled(nowMs);
  }

  /** How many connections the gateway carried packets of, in either direction, since then. */
  carriedBy(gateway: string, sinceMs: number): number {
    return this.trickle.connections.filter(
      ({ tuple, inboundTuple }) =>
        inboundTuple !== null && this.#network.carries(gateway, tuple, inboundTuple, sinceMs),
    ).length;
  }

  /** "31 %, 200 connections alive, UDP echo 38/38, ping 38/38" */
  get progressText(): string {
    const percent = Math.floor((this.download?.progress ?? 0) * 100);
    const { alive } = this.trickle;
    const counts = `UDP echo ${this.udp.counts}, ping ${this.ping.counts} answered`;
    return `download at ${percent} %, ${alive} connections alive, ${counts}`;
  }

  results(): TrafficResult[] {
    const download = this.download === null ? [] : [this.download.result()];
    return [...download, this.trickle.result(), this.udp.result(), this.ping.result()];
  }

  failures(): string[] {
    const parts = [this.download, this.trickle, this.udp, this.ping];
    return parts.flatMap((part) => part?.failures() ?? []);
  }
}
