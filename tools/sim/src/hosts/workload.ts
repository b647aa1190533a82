/** Begins conversations, as the plan's traffic says. */
import { type ClusterConfig, ipv4FromNumber, shardOfInside } from '@flowstore/flow';
import { endpointKey, remoteKey } from '../keys.ts';
import { ICMP, TCP, UDP } from '../packet.ts';
import type { Traffic } from '../plan.ts';
import type { Random } from '../random.ts';
import type { Timeline } from '../timeline.ts';
import type { InsideHosts } from './inside-hosts.ts';
import { drawEnding, drawGaps, edgeMs, type Script } from './script.ts';

const INSIDE_FIRST = 0xc6120a0a; // 198.18.10.10
const REMOTE_FIRST = 0xc633640a; // 198.51.100.10
const REMOTE_PORTS = [80, 443, 5353] as const;
const DRAWS_MAX = 2_000;
/** Inside endpoints remembered to be used again. */
const USED_MAX = 200;

interface Place {
  readonly protocol: number;
  readonly inside: number;
  readonly insidePort: number;
}

export class Workload {
  readonly scripts = new Map<number, Script>();
  hosts: InsideHosts | null = null;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #traffic: Traffic;
  readonly #config: ClusterConfig;
  /** Who talks from an inside endpoint: the places, by the remote endpoint of each. */
  readonly #busy = new Map<number, Map<number, Place>>();
  readonly #used: Place[] = [];
  #talks = 0;
  #working = true;

  constructor(options: {
    timeline: Timeline;
    random: Random;
    traffic: Traffic;
    config: ClusterConfig;
  }) {
    this.#timeline = options.timeline;
    this.#random = options.random;
    this.#traffic = options.traffic;
    this.#config = options.config;
  }

  start(): void {
    this.#timeline.after(this.#random.exponential(this.#traffic.everyMs), () => {
      if (!this.#working) return;
      // Now and then a burst: several at once.
      const count = this.#random.chance(0.03) ? 5 + this.#random.below(20) : 1;
      for (let i = 0; i < count; i++) this.#begin();
      this.start();
    });
  }

  /** Conversations begun so far. */
  get talks(): number {
    return this.#talks;
  }

  stop(): void {
    this.#working = false;
  }

  over({ talk, protocol, inside, insidePort, remotes }: Script): void {
    const key = endpointKey(protocol, inside, insidePort);
    const talking = this.#busy.get(key);
    talking?.delete(remoteKey(remotes[0]!.address, remotes[0]!.port));
    if (talking?.size === 0) this.#busy.delete(key);
    // Remote hosts still follow the script of what was said last.
    this.#timeline.after(60_000, () => this.scripts.delete(talk));
  }

  randomInside(): number {
    return INSIDE_FIRST + this.#random.below(this.#traffic.insideHosts);
  }

  randomRemote(): number {
    return REMOTE_FIRST + this.#random.below(this.#traffic.remoteHosts);
  }

  #begin(): void {
    const random = this.#random;
    const place = this.#placeInUse() ?? this.#place();
    if (place === null) return;
    const { protocol } = place;
    const count = protocol === UDP ? 1 + random.below(3) : 1;
    const remotes = Array.from({ length: count }, () => ({
      address: this.randomRemote(),
      port: random.pick(REMOTE_PORTS),
    }));
    const { address, port } = remotes[0]!;
    const key = endpointKey(protocol, place.inside, place.insidePort);
    const talking = this.#busy.get(key) ?? new Map<number, Place>();
    if (talking.has(remoteKey(address, port))) return;
    this.#busy.set(key, talking.set(remoteKey(address, port), place));
    const late = random.chance(0.3) ? edgeMs(random, protocol, this.#config) : 2_000;
    const script: Script = {
      talk: ++this.#talks,
      ...place,
      remotes,
      gapsMs: drawGaps(random, protocol, this.#traffic, this.#config),
      pushMs: random.chance(0.3) ? random.between(0.2, 1) * late : null,
      ending: drawEnding(random),
    };
    this.scripts.set(script.talk, script);
    this.hosts!.begin(script);
  }

  /** One that a host talks TCP from: it may use the port towards somebody else as well. */
  #placeInUse(): Place | null {
    const random = this.#random;
    if (!random.chance(this.#traffic.sharedPortShare)) return null;
    const places = [...this.#busy.values()].flatMap((talking) => [...talking.values()]);
    const shared = places.filter(({ protocol }) => protocol === TCP);
    return shared.length === 0 ? null : random.pick(shared);
  }

  /** An inside endpoint that nobody talks from now. */
  #place(): Place | null {
    const random = this.#random;
    if (this.#used.length > 0 && random.chance(this.#traffic.reuseShare)) {
      const place = random.pick(this.#used);
      return this.#isBusy(place) ? null : place;
    }
    const draw = random.float();
    const { udpShare, icmpShare, shards } = this.#traffic;
    const protocol = draw < udpShare ? UDP : draw < udpShare + icmpShare ? ICMP : TCP;
    for (let i = 0; i < DRAWS_MAX; i++) {
      const inside = this.randomInside();
      const insidePort = 1_024 + random.below(64_000);
      const address = ipv4FromNumber(inside);
      const shard = shardOfInside({ domain: 0, protocol, address, port: insidePort });
      const place = { protocol, inside, insidePort };
      if (shard >= shards || this.#isBusy(place)) continue;
      if (this.#used.length < USED_MAX) this.#used.push(place);
      else this.#used[random.below(USED_MAX)] = place;
      return place;
    }
    return null;
  }

  #isBusy({ protocol, inside, insidePort }: Place): boolean {
    return this.#busy.has(endpointKey(protocol, inside, insidePort));
  }
}
