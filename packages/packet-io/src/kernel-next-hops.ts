import { AddressSet } from './address-set.ts';
import { PacketIoError } from './error.ts';
import { createFrameMemory, IP_OFFSET } from './frame.ts';
import { HOP_FRESH, HOP_STALE, HOP_UNRESOLVED, HopCache } from './hop-cache.ts';
import type { NetlinkMessage } from './netlink/message.ts';
import { Mirror, neighbourKey, type Part } from './netlink/mirror.ts';
import type { NeighbourMessage } from './netlink/neighbour.ts';
import { writeDumpRequest, writeUseNeighbour } from './netlink/request.ts';
import type { RouteHop } from './netlink/route.ts';
import { NetlinkSocket } from './netlink/socket.ts';
import {
  createNextHopsCounters,
  isNeverForwarded,
  type NextHops,
  type NextHopsCounters,
  NO_ROUTE,
  UNRESOLVED,
} from './next-hops.ts';
import { RouteTable } from './route-table.ts';

/** An unresolved neighbour is asked for so often at most; the kernel repeats its ARP by itself. */
const ASK_EVERY_MS = 500;
/** A stale one in use is verified so often: the kernel then moves it to DELAY and probes it. */
const VERIFY_EVERY_MS = 5_000;
/** All asks together: a scan of our own network must not keep us in system calls. */
const ASKS_PER_SECOND_MAX = 1_000;
/** Datagrams (up to 32 KiB each) read in one poll(). */
const DATAGRAMS_PER_POLL_MAX = 64;
/** The first reading of the tables: so many waits of so long at most. */
const START_WAITS_MAX = 200;
const START_WAIT_MS = 50;

/** The sequence number of asks; dumps count from 1 to 2^31 - 1. */
const ASK_SEQUENCE = 0xffffffff;

const NUD_REACHABLE = 0x02;
const NUD_STALE = 0x04;
const NUD_DELAY = 0x08;
const NUD_PROBE = 0x10;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
const NUD_VALID = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_NOARP | NUD_PERMANENT;

/**
 * Next hops from the tables of the network namespace that the calling thread is in. Reads them
 * once before it returns (a few ms), then follows the kernel's news in poll(). Asking the kernel
 * to resolve needs CAP_NET_ADMIN; without it only neighbours that are already known resolve.
 */
export function createKernelNextHops(options: {
  readonly nowMs: number;
  /** Only by routes over this interface: two networks behind one each may have the same prefix. */
  readonly via?: string;
}): NextHops {
  return new KernelNextHops(options.nowMs, options.via);
}

class KernelNextHops implements NextHops {
  private readonly socket = new NetlinkSocket();
  private readonly mirror = new Mirror((part, entry) => this.changed(part, entry));
  private readonly cache = new HopCache();
  private readonly counts: NextHopsCounters = createNextHopsCounters();
  private readonly scratch = createFrameMemory(IP_OFFSET);
  private routes = new RouteTable([]);
  private local = new AddressSet([]);
  private readonly firstAddresses = new Map<number, number>();
  private askWindowMs = Number.NEGATIVE_INFINITY;
  private asksInWindow = 0;
  private nowMs: number;
  private readonly via: string | undefined;

  private readonly usable = (hop: RouteHop) => {
    const link = this.mirror.links.get(hop.index);
    if (this.via !== undefined && link?.name !== this.via) return false;
    return link?.up === true && link.mac !== undefined;
  };
  private readonly take = (message: NetlinkMessage) => {
    if (message.kind === 'error' && message.sequence === ASK_SEQUENCE) {
      if (message.errno !== 0) this.counts.asksRefused++;
    } else this.mirror.apply(message, this.nowMs);
  };

  constructor(nowMs: number, via: string | undefined) {
    this.via = via;
    this.nowMs = nowMs;
    for (let k = 0; k < START_WAITS_MAX && !this.mirror.complete; k++) {
      this.poll(nowMs);
      if (!this.mirror.settled) this.socket.wait(START_WAIT_MS);
    }
    if (this.mirror.complete) return;
    this.socket.close();
    throw new PacketIoError('PACKET_IO_SYSTEM', 'the kernel did not tell its routes');
  }

  get fd(): number {
    return this.socket.fd;
  }

  write(view: DataView, offset: number, destination: number, nowMs: number): number {
    let hop = this.cache.find(destination);
    if (hop === undefined) {
      this.counts.misses++;
      hop = this.route(destination);
    } else this.counts.hits++;
    if (hop < 0) {
      this.counts.noRoute++;
      return NO_ROUTE;
    }
    const state = this.cache.states[hop];
    if (state !== HOP_FRESH) {
      const everyMs = state === HOP_STALE ? VERIFY_EVERY_MS : ASK_EVERY_MS;
      if (nowMs - this.cache.askedMs[hop] >= everyMs) this.ask(hop, nowMs);
      if (state === HOP_UNRESOLVED) {
        this.counts.unresolved++;
        return UNRESOLVED;
      }
    }
    this.cache.writeHeader(view, offset, hop);
    return this.cache.interfaceIndexes[hop];
  }

  resolveGateways(nowMs: number): boolean {
    let resolved = true;
    for (const { hops } of this.mirror.routes) {
      for (const { gateway } of hops) {
        if (gateway === 0) continue;
        if (this.write(this.scratch.view, 0, gateway, nowMs) === UNRESOLVED) resolved = false;
      }
    }
    return resolved;
  }

  isLocal(address: number): boolean {
    return isNeverForwarded(address) || this.local.has(address);
  }

  interfaceIndex(name: string): number {
    for (const link of this.mirror.links.values()) if (link.name === name) return link.index;
    return -1;
  }

  addressOf(interfaceIndex: number): number {
    return this.firstAddresses.get(interfaceIndex) ?? 0;
  }

  mtu(interfaceIndex: number): number {
    return this.mirror.links.get(interfaceIndex)?.mtu ?? 0;
  }

  poll(nowMs: number): void {
    this.nowMs = nowMs;
    for (let k = 0; k < DATAGRAMS_PER_POLL_MAX; k++) {
      const dump = this.mirror.nextDump(nowMs);
      if (dump !== undefined) {
        const sent = this.socket.send((view) => writeDumpRequest(view, dump.type, dump.sequence));
        if (!sent) this.mirror.dumpRefused(nowMs);
      }
      const outcome = this.socket.receive(this.take);
      if (outcome === 'empty') return;
      if (outcome === 'lost') this.mirror.lost();
    }
  }

  get counters(): Readonly<NextHopsCounters> {
    return Object.assign(this.counts, this.mirror.counters, { flushes: this.cache.flushes });
  }

  close(): void {
    this.socket.close();
  }

  /** The slow way: through the routes; the answer is remembered. */
  private route(destination: number): number {
    const found = this.routes.lookup(destination, this.usable);
    const source = found && this.mirror.links.get(found.index)?.mac;
    if (found === undefined || source === undefined) {
      this.cache.remember(destination, -1);
      return -1;
    }
    const { hop, isNew } = this.cache.hopFor(found, destination, source);
    if (isNew) {
      const key = neighbourKey(found.index, this.cache.addresses[hop]);
      const neighbour = this.mirror.neighbours.get(key);
      if (neighbour !== undefined) this.setNeighbour(key, neighbour);
    }
    this.cache.remember(destination, hop);
    return hop;
  }

  private ask(hop: number, nowMs: number): void {
    if (nowMs - this.askWindowMs >= 1000) {
      this.askWindowMs = nowMs;
      this.asksInWindow = 0;
    }
    if (this.asksInWindow === ASKS_PER_SECOND_MAX) {
      this.counts.asksOverLimit++;
      return;
    }
    this.asksInWindow++;
    this.counts.asks++;
    this.cache.askedMs[hop] = nowMs;
    const index = this.cache.interfaceIndexes[hop];
    const address = this.cache.addresses[hop];
    const sent = this.socket.send((view) => writeUseNeighbour(view, ASK_SEQUENCE, index, address));
    if (!sent) this.counts.asksRefused++;
  }

  private changed(part: Part, neighbour: NeighbourMessage | undefined): void {
    if (part === 'neighbours' && neighbour !== undefined) {
      this.setNeighbour(neighbourKey(neighbour.index, neighbour.address), neighbour);
      return;
    }
    if (part === 'routes') this.routes = new RouteTable(this.mirror.routes);
    if (part === 'addresses') this.local = this.localAddresses();
    else this.cache.clear();
  }

  private setNeighbour(key: number, neighbour: NeighbourMessage): void {
    const valid = !neighbour.removed && (neighbour.state & NUD_VALID) !== 0;
    const state = (neighbour.state & NUD_STALE) !== 0 ? HOP_STALE : HOP_FRESH;
    this.cache.setNeighbour(key, state, valid ? neighbour.mac : undefined);
  }

  private localAddresses(): AddressSet {
    const all: number[] = [];
    this.firstAddresses.clear();
    for (const { index, local, broadcast } of this.mirror.addresses.values()) {
      all.push(local);
      if (!this.firstAddresses.has(index)) this.firstAddresses.set(index, local);
      if (broadcast !== undefined) all.push(broadcast);
    }
    return new AddressSet(all);
  }
}
