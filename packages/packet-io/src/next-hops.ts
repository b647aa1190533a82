/** write(): the kernel has no usable route to the destination. */
export const NO_ROUTE = -1;
/** write(): the next hop's MAC is not known yet; it was asked for. */
export const UNRESOLVED = -2;

export interface NextHopsCounters {
  /** write() answered from the cache. */
  hits: number;
  /** write() went through the routes. */
  misses: number;
  noRoute: number;
  unresolved: number;
  /** Times the kernel was asked to resolve or to verify a neighbour. */
  asks: number;
  /** Asks that waited because of the limit per second. */
  asksOverLimit: number;
  /** Asks that the kernel refused. */
  asksRefused: number;
  /** Times the cache was emptied, because a table changed or because it was full. */
  flushes: number;
  /** Whole tables read from the kernel, and how many of these had to be repeated. */
  dumps: number;
  dumpsFailed: number;
  /** Messages from the kernel about changes. */
  news: number;
  /** Times the kernel's messages overran our buffer. */
  overruns: number;
  /** Entries of the kernel's tables beyond the limits (netlink/mirror.ts), left out. */
  entriesOverLimit: number;
}

/** Where packets go next: the answers of the kernel's routes and neighbours. */
export interface NextHops {
  /** Readable when the kernel has news for poll(); -1 when there never are any. */
  readonly fd: number;
  /**
   * Writes destination MAC, source MAC and ethertype for IPv4 `destination` (a 32-bit number in
   * host order, signed or not) at `offset + VNET_BYTES`. Returns the index of the interface to
   * send on, NO_ROUTE or UNRESOLVED; then nothing is written. Allocates nothing on a hit.
   */
  write(view: DataView, offset: number, destination: number, nowMs: number): number;
  /**
   * Whether the MAC of every gateway of a route is known; asks the kernel for those that are not,
   * so that the first packet after a failover does not find its way unresolved. For the start.
   */
  resolveGateways(nowMs: number): boolean;
  /** The box's own address on any interface, a broadcast, multicast, loopback, 0.0.0.0/8. */
  isLocal(address: number): boolean;
  /** -1 when there is no such interface. */
  interfaceIndex(name: string): number;
  /** The box's own address on the interface, the first; 0 where it has none. */
  addressOf(interfaceIndex: number): number;
  /** Bytes of IP packet that fit; 0 when there is no such interface. */
  mtu(interfaceIndex: number): number;
  /** Reads the kernel's news, bounded. Call it when `fd` is readable and a few times a second. */
  poll(nowMs: number): void;
  readonly counters: Readonly<NextHopsCounters>;
  close(): void;
}

export function createNextHopsCounters(): NextHopsCounters {
  return {
    hits: 0,
    misses: 0,
    noRoute: 0,
    unresolved: 0,
    asks: 0,
    asksOverLimit: 0,
    asksRefused: 0,
    flushes: 0,
    dumps: 0,
    dumpsFailed: 0,
    news: 0,
    overruns: 0,
    entriesOverLimit: 0,
  };
}

/** Multicast (224/4), limited broadcast, loopback (127/8) and 0/8: no router forwards these. */
export function isNeverForwarded(address: number): boolean {
  const top = address >>> 24;
  return top === 0 || top === 127 || (top >= 224 && top < 240) || (address | 0) === -1;
}
