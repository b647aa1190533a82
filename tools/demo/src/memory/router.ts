/**
 * A router between hosts and gateways. Towards the gateways it spreads by a hash of the packet's
 * true 5-tuple (ECMP), with a seed of its own: the two directions of a connection often cross
 * different gateways. A gateway whose link is lost stays a next hop for ROUTE_DROP_MS, as long as
 * the routing protocol would take, and what is sent to it meanwhile is lost.
 */
import { ICMP } from '@flowstore/flow';
import { IP_OFFSET } from '@flowstore/gateway-core';
import {
  delta16,
  IPV4_CHECKSUM,
  IPV4_TTL,
  Malformed,
  Packet,
  parseIpv4,
  updateChecksum,
} from '@flowstore/nat';
import type { Wire } from '@flowstore/packet-io';
import { type Tuple, tupleText } from './packets.ts';

export const ROUTE_DROP_MS = 80;

export interface RouterOptions {
  readonly hosts: ReadonlyMap<number, Wire>;
  /** Which destinations are reached through the gateways. */
  readonly isBehindGateways: (address: number) => boolean;
  readonly seed: number;
}

/** Which gateway a flow's packets were last sent through. */
export interface Carrier {
  readonly gateway: string;
  readonly atMs: number;
}

interface NextHop {
  readonly gateway: string;
  readonly wire: Wire;
  /** When the route goes away; infinite while the link is there. */
  goneAtMs: number;
}

export class Router {
  dropNoRoute = 0;
  dropMalformed = 0;
  readonly #options: RouterOptions;
  readonly #packet = new Packet();
  readonly #carriers = new Map<string, Carrier>();
  #hops: NextHop[] = [];

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** Hops are kept in the order of their names: a gateway that returns gets its flows back. */
  addRoute(gateway: string, wire: Wire): void {
    this.#hops = this.#hops.filter((hop) => hop.gateway !== gateway);
    this.#hops.push({ gateway, wire, goneAtMs: Number.POSITIVE_INFINITY });
    this.#hops.sort((a, b) => (a.gateway < b.gateway ? -1 : 1));
  }

  loseLink(gateway: string, nowMs: number): void {
    for (const hop of this.#hops) {
      if (hop.gateway === gateway) hop.goneAtMs = nowMs + ROUTE_DROP_MS;
    }
  }

  get gateways(): string[] {
    return this.#hops.map(({ gateway }) => gateway);
  }

  carrierOf(tuple: Tuple): Carrier | undefined {
    return this.#carriers.get(tupleText(tuple));
  }

  step(nowMs: number): number {
    if (this.#hops.some((hop) => nowMs >= hop.goneAtMs)) {
      this.#hops = this.#hops.filter((hop) => nowMs < hop.goneAtMs);
    }
    let frames = 0;
    for (const wire of this.#options.hosts.values()) frames += this.#drain(wire, nowMs);
    for (const { wire } of this.#hops) frames += this.#drain(wire, nowMs);
    for (const wire of this.#options.hosts.values()) wire.flush();
    for (const { wire } of this.#hops) wire.flush();
    return frames;
  }

  #drain(wire: Wire, nowMs: number): number {
    const frames = wire.receive();
    const { memory } = wire;
    const packet = this.#packet;
    for (let k = 0; k < frames; k++) {
      const offset = wire.offset(k);
      const length = wire.length(k);
      const ipOffset = offset + IP_OFFSET;
      if (parseIpv4(memory.view, ipOffset, length - IP_OFFSET, packet) !== Malformed.None) {
        this.dropMalformed++;
        continue;
      }
      const way = this.#wayOf(packet, nowMs);
      if (way === undefined) {
        this.dropNoRoute++;
        continue;
      }
      const old = memory.view.getUint16(ipOffset + IPV4_TTL);
      memory.view.setUint8(ipOffset + IPV4_TTL, (old >>> 8) - 1);
      updateChecksum(memory.view, ipOffset + IPV4_CHECKSUM, delta16(old, old - 0x100));
      way.send(memory, offset, length);
    }
    return frames;
  }

  #wayOf(packet: Packet, nowMs: number): Wire | undefined {
    const host = this.#options.hosts.get(packet.destination);
    if (host !== undefined) return host;
    if (!this.#options.isBehindGateways(packet.destination)) return undefined;
    const hop = this.#hops[hashTuple(packet, this.#options.seed) % this.#hops.length];
    if (hop === undefined) return undefined;
    this.#carriers.set(tupleText(packet), { gateway: hop.gateway, atMs: nowMs });
    return hop.wire;
  }
}

/** Of all five fields; a router sees no port in ICMP. */
export function hashTuple(tuple: Tuple, seed: number): number {
  const ports =
    tuple.protocol === ICMP ? 0 : ((tuple.sourcePort << 16) | tuple.destinationPort) >>> 0;
  let hash = seed;
  for (const word of [tuple.source, tuple.destination, ports, tuple.protocol]) {
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77);
    hash ^= hash >>> 13;
  }
  return hash >>> 0;
}
