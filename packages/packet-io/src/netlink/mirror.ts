import type { AddressMessage } from './address.ts';
import type { LinkMessage } from './link.ts';
import {
  type NetlinkMessage,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETNEIGH,
  RTM_GETROUTE,
} from './message.ts';
import type { NeighbourMessage } from './neighbour.ts';
import type { RouteMessage } from './route.ts';

/** The parts of the kernel's tables, in the order in which they are read. */
export const PARTS = ['links', 'addresses', 'neighbours', 'routes'] as const;
export type Part = (typeof PARTS)[number];

export const DUMP_TYPES: Readonly<Record<Part, number>> = {
  links: RTM_GETLINK,
  addresses: RTM_GETADDR,
  neighbours: RTM_GETNEIGH,
  routes: RTM_GETROUTE,
};

/** Entries per part; what is beyond is left out and counted. */
export const PART_MAX: Readonly<Record<Part, number>> = {
  links: 4096,
  addresses: 16_384,
  neighbours: 65_536,
  routes: 131_072,
};

/** News are applied at once, but a dump is read only so often, so that flapping can't keep us. */
const DUMP_EVERY_MS = 100;
/** A dump whose end was lost is given up after this. */
const DUMP_TIMEOUT_MS = 5_000;
/** Everything is read anew so often: whatever slipped through heals. */
const RESYNC_EVERY_MS = 60_000;

export interface MirrorCounters {
  dumps: number;
  /** Dumps to be repeated: the table changed meanwhile, news were lost, the kernel refused. */
  dumpsFailed: number;
  news: number;
  /** How often the kernel (or the parser) lost messages. */
  overruns: number;
  entriesOverLimit: number;
}

type Entry = LinkMessage | AddressMessage | NeighbourMessage | RouteMessage;

/**
 * A copy of the kernel's links, addresses, neighbours and routes.
 *
 * ```
 *   news --> current  (links, addresses, neighbours: applied at once, also to `next` if dumped now)
 *        \-> "routes are due"   dump --> next;  at its end: current = next
 * ```
 *
 * Routes are only ever read whole: the kernel does not tell which IPv4 routes it drops when a link
 * goes down or an address goes away. This class does no I/O and reads no clock.
 */
export class Mirror {
  readonly counters: MirrorCounters = {
    dumps: 0,
    dumpsFailed: 0,
    news: 0,
    overruns: 0,
    entriesOverLimit: 0,
  };
  links = new Map<number, LinkMessage>();
  addresses = new Map<string, AddressMessage>();
  neighbours = new Map<number, NeighbourMessage>();
  routes: RouteMessage[] = [];

  private readonly onChange: (part: Part, entry: NeighbourMessage | undefined) => void;
  private readonly due = new Set<Part>(PARTS);
  private readonly seen = new Set<Part>();
  private dumping: Part | undefined;
  private dumpBroken = false;
  private next = new Map<number | string, Entry>();
  private sequence = 0;
  private dumpStartedMs = 0;
  private notBeforeMs = Number.NEGATIVE_INFINITY;
  private resyncAtMs: number | undefined;

  /** `onChange` gets the one neighbour that changed, or undefined when a part is new as a whole. */
  constructor(onChange: (part: Part, entry: NeighbourMessage | undefined) => void) {
    this.onChange = onChange;
  }

  /** True when every part has been read at least once. */
  get complete(): boolean {
    return this.seen.size === PARTS.length;
  }

  /** True when nothing is being read and nothing is due. */
  get settled(): boolean {
    return this.dumping === undefined && this.due.size === 0;
  }

  /** What to ask the kernel for now, if anything. After it, dumpRefused() or apply() follow. */
  nextDump(nowMs: number): { type: number; sequence: number } | undefined {
    this.resyncAtMs ??= nowMs + RESYNC_EVERY_MS;
    if (nowMs >= this.resyncAtMs) {
      this.resyncAtMs = nowMs + RESYNC_EVERY_MS;
      for (const part of PARTS) this.due.add(part);
    }
    if (this.dumping !== undefined) {
      if (nowMs - this.dumpStartedMs < DUMP_TIMEOUT_MS) return undefined;
      this.dumpRefused(nowMs);
    }
    if (this.due.size === 0 || nowMs < this.notBeforeMs) return undefined;
    const part = PARTS.find((each) => this.due.has(each))!;
    this.due.delete(part);
    // Parts that are due together follow each other; the pause comes after the last.
    if (this.due.size === 0 && this.complete) this.notBeforeMs = nowMs + DUMP_EVERY_MS;
    this.dumping = part;
    this.dumpBroken = false;
    this.dumpStartedMs = nowMs;
    this.next = new Map();
    // Not 0xffffffff: requests that are not dumps use it.
    this.sequence = (this.sequence % 0x7fffffff) + 1;
    return { type: DUMP_TYPES[part], sequence: this.sequence };
  }

  /** The dump was refused or never ended: try again later. */
  dumpRefused(nowMs: number): void {
    if (this.dumping === undefined) return;
    this.counters.dumpsFailed++;
    this.due.add(this.dumping);
    this.dumping = undefined;
    this.notBeforeMs = nowMs + DUMP_EVERY_MS;
  }

  /** Messages were lost: whatever we know may be wrong. It stays in use until it is read anew. */
  lost(): void {
    this.counters.overruns++;
    this.dumpBroken = true;
    for (const part of PARTS) this.due.add(part);
  }

  apply(message: NetlinkMessage, nowMs: number): void {
    switch (message.kind) {
      case 'overrun':
        this.lost();
        return;
      case 'error':
        if (message.sequence === this.sequence && message.errno !== 0) this.dumpRefused(nowMs);
        return;
      case 'done':
        if (message.sequence === this.sequence) {
          this.finishDump(message.interrupted || message.errno !== 0, nowMs);
        }
        return;
      case 'other':
        return;
      default:
        if (!message.multi) this.applyNews(message);
        else if (message.sequence === this.sequence) this.applyDump(message);
    }
  }

  private applyDump(message: Entry & { interrupted: boolean }): void {
    if (message.interrupted) this.dumpBroken = true;
    const part = partOf(message);
    if (part !== this.dumping || message.removed) return;
    const key = part === 'routes' ? this.next.size : keyOf(message);
    this.store(this.next, part, key, message);
  }

  private applyNews(message: Entry): void {
    this.counters.news++;
    const part = partOf(message);
    if (part === 'routes') {
      this.due.add('routes');
      return;
    }
    const key = keyOf(message);
    const current = this[part] as Map<number | string, Entry>;
    if (part === 'links' && !message.removed && sameLink(current.get(key), message)) return;
    this.store(current, part, key, message);
    if (part === this.dumping) this.store(this.next, part, key, message);
    // A link or an address that changes takes routes with it, silently.
    if (part !== 'neighbours') this.due.add('routes');
    this.onChange(part, message.kind === 'neighbour' ? message : undefined);
  }

  private store(
    map: Map<number | string, Entry>,
    part: Part,
    key: number | string,
    message: Entry,
  ): void {
    if (message.removed) map.delete(key);
    else if (map.size < PART_MAX[part] || map.has(key)) map.set(key, message);
    else this.counters.entriesOverLimit++;
  }

  private finishDump(failed: boolean, nowMs: number): void {
    const part = this.dumping;
    if (part === undefined) return;
    this.counters.dumps++;
    this.dumping = undefined;
    if (failed || this.dumpBroken) {
      this.counters.dumpsFailed++;
      this.due.add(part);
      if (this.complete) this.notBeforeMs = nowMs + DUMP_EVERY_MS;
      return;
    }
    this.seen.add(part);
    const entries = this.next;
    this.next = new Map();
    if (part === 'links') this.links = entries as Map<number, LinkMessage>;
    if (part === 'addresses') this.addresses = entries as Map<string, AddressMessage>;
    if (part === 'neighbours') this.neighbours = entries as Map<number, NeighbourMessage>;
    if (part === 'routes') this.routes = [...entries.values()] as RouteMessage[];
    this.onChange(part, undefined);
  }
}

/** Neighbours are known by interface and address, both in one number. */
export function neighbourKey(interfaceIndex: number, address: number): number {
  return interfaceIndex * 2 ** 32 + (address >>> 0);
}

function partOf(message: Entry): Part {
  if (message.kind === 'link') return 'links';
  if (message.kind === 'address') return 'addresses';
  return message.kind === 'neighbour' ? 'neighbours' : 'routes';
}

function keyOf(message: Entry): number | string {
  if (message.kind === 'link') return message.index;
  if (message.kind === 'neighbour') return neighbourKey(message.index, message.address);
  if (message.kind === 'route') return 0;
  return `${message.index} ${message.local}/${message.prefixBits}`;
}

/** Links send news for much that does not matter here, statistics for one. */
function sameLink(known: Entry | undefined, message: Entry): boolean {
  if (known?.kind !== 'link' || message.kind !== 'link') return false;
  const sameMac = known.mac?.high === message.mac?.high && known.mac?.low === message.mac?.low;
  const sameState = known.up === message.up && known.mtu === message.mtu;
  return sameMac && sameState && known.name === message.name;
}
