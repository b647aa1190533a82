/**
 * The lab's topology on memory wires. Each host has a wire of its own to its router instead of a
 * shared segment; each gateway has two.
 *
 * ```
 *   clients 198.18.1.10, .11 --- LAN router ---+--- gw1 ---+--- WAN router --- servers
 *                                   (ECMP)     +--- gw2 ---+      (ECMP)       198.51.100.10, .20
 * ```
 */
import { createMemoryLink, type Wire } from '@flowstore/packet-io';
import { MemoryGateway, type OpenStore } from './gateway.ts';
import { Host } from './host.ts';
import type { Part } from './loop.ts';
import type { Tuple } from './packets.ts';
import { CLIENTS, GATEWAYS, isInPool, isOutside, SERVERS } from './plan.ts';
import { type Carrier, Router } from './router.ts';

export interface NetworkOptions {
  readonly openStore: OpenStore;
  readonly clock: () => number;
  readonly random: () => number;
}

export class Network implements Part {
  readonly clients: readonly Host[];
  readonly servers: readonly Host[];
  readonly gateways: readonly MemoryGateway[];
  readonly lan: Router;
  readonly wan: Router;

  constructor({ openStore, clock, random }: NetworkOptions) {
    const nowMs = clock();
    const attach = (address: number, routerWires: Map<number, Wire>) => {
      const [wire, routerWire] = createMemoryLink('host', 'router');
      routerWires.set(address, routerWire);
      return new Host({ address, wire, random, nowMs });
    };
    const lanWires = new Map<number, Wire>();
    const wanWires = new Map<number, Wire>();
    this.clients = CLIENTS.map((address) => attach(address, lanWires));
    this.servers = SERVERS.map((address) => attach(address, wanWires));
    this.lan = new Router({ hosts: lanWires, isBehindGateways: isOutside, seed: random() });
    this.wan = new Router({ hosts: wanWires, isBehindGateways: isInPool, seed: random() });
    this.gateways = GATEWAYS.map((name) => new MemoryGateway(name, openStore, clock));
  }

  gateway(name: string): MemoryGateway {
    return this.gateways.find((gateway) => gateway.name === name)!;
  }

  /** The routes come once the gateway has joined. */
  async start(name: string): Promise<void> {
    const [lanWire, inside] = createMemoryLink('lan', 'inside');
    const [wanWire, outside] = createMemoryLink('wan', 'outside');
    await this.gateway(name).start({ inside, outside });
    this.lan.addRoute(name, lanWire);
    this.wan.addRoute(name, wanWire);
  }

  kill(name: string, nowMs: number): void {
    this.gateway(name).kill();
    this.lan.loseLink(name, nowMs);
    this.wan.loseLink(name, nowMs);
  }

  /** Whether the gateway carried a packet of the flow, in either direction, since then. */
  carries(name: string, outbound: Tuple, inbound: Tuple, sinceMs: number): boolean {
    const isRecent = (carrier: Carrier | undefined) =>
      carrier !== undefined && carrier.gateway === name && carrier.atMs >= sinceMs;
    return isRecent(this.lan.carrierOf(outbound)) || isRecent(this.wan.carrierOf(inbound));
  }

  step(nowMs: number): number {
    let frames = 0;
    const parts = [this.clients, [this.lan], this.gateways, [this.wan], this.servers].flat();
    for (const part of parts) frames += part.step(nowMs);
    return frames;
  }

  close(): void {
    for (const gateway of this.gateways) gateway.close();
  }
}
