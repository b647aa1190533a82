/**
 * Reads rtnetlink messages: bytes in, plain objects out. Everything is bounds-checked; what is cut
 * off or contradicts itself is `malformed`, what doesn't concern IPv4 next hops is `other`.
 *
 * ```
 *  message (linux/netlink.h), all in host order (little-endian), each part padded to 4
 *  +0 length u32 | +4 type u16 | +6 flags u16 | +8 sequence u32 | +12 sender u32 | +16 payload
 *
 *  payload: a fixed header by type, then attributes
 *  +0 length u16 | +2 type u16 | +4 value          (length includes these 4 bytes)
 * ```
 */

export const MESSAGE_HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
const NEXT_HOP_HEADER_BYTES = 8;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;
const NLM_F_MULTI = 0x2;
const NLM_F_DUMP_INTERRUPTED = 0x10;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSG_OVERRUN = 4;
export const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

export const AF_INET = 2;
const ROUTE_TABLE_MAIN = 254;
const ROUTE_CLONED = 0x200;
const NEXT_HOP_DEAD = 1;

/** A hardware address as the two numbers that are written into a frame. */
export interface Mac {
  /** The first 4 bytes, big-endian. */
  readonly high: number;
  /** The last 2 bytes, big-endian. */
  readonly low: number;
}

export interface LinkMessage {
  readonly kind: 'link';
  readonly removed: boolean;
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  /** Only Ethernet has one here; the others can't carry our frames. */
  readonly mac: Mac | undefined;
}

/** Addresses are unsigned 32-bit numbers in host order throughout. */
export interface AddressMessage {
  readonly kind: 'address';
  readonly removed: boolean;
  readonly index: number;
  readonly local: number;
  readonly prefixBits: number;
  readonly broadcast: number | undefined;
}

export interface RouteHop {
  readonly index: number;
  /** 0: the destination itself is on the link. */
  readonly gateway: number;
  readonly weight: number;
}

export interface RouteMessage {
  readonly kind: 'route';
  readonly removed: boolean;
  readonly destination: number;
  readonly prefixBits: number;
  /** Lower wins among routes of one prefix. */
  readonly metric: number;
  /** RTN_UNICAST and so on: what is not unicast leads nowhere. */
  readonly unicast: boolean;
  readonly hops: readonly RouteHop[];
}

export interface NeighbourMessage {
  readonly kind: 'neighbour';
  readonly removed: boolean;
  readonly index: number;
  readonly address: number;
  /** NUD_* bits. */
  readonly state: number;
  readonly mac: Mac | undefined;
}

/** The end of a dump, or the answer to a request that failed; `errno` 0 means success. */
export interface AnswerMessage {
  readonly kind: 'done' | 'error';
  readonly errno: number;
}

export type NetlinkMessage = (
  | LinkMessage
  | AddressMessage
  | RouteMessage
  | NeighbourMessage
  | AnswerMessage
  | { readonly kind: 'overrun' | 'other' }
) & {
  /** Of the request that this answers; in news, of whoever caused them. */
  readonly sequence: number;
  /** Part of a dump, not news. */
  readonly multi: boolean;
  /** A dump that the tables changed under: what it said may contradict itself. */
  readonly interrupted: boolean;
};

/** Hands every message of one datagram to `visit`; false when the rest makes no sense. */
export function readMessages(
  view: DataView,
  length: number,
  visit: (message: NetlinkMessage) => void,
): boolean {
  let at = 0;
  const end = Math.min(length, view.byteLength);
  while (end - at >= MESSAGE_HEADER_BYTES) {
    const messageLength = view.getUint32(at, true);
    if (messageLength < MESSAGE_HEADER_BYTES || messageLength > end - at) return false;
    const type = view.getUint16(at + 4, true);
    const flags = view.getUint16(at + 6, true);
    const sequence = view.getUint32(at + 8, true);
    const body = readBody(view, type, at + MESSAGE_HEADER_BYTES, at + messageLength);
    if (body === undefined) return false;
    const multi = (flags & NLM_F_MULTI) !== 0;
    const interrupted = (flags & NLM_F_DUMP_INTERRUPTED) !== 0;
    visit({ ...body, sequence, multi, interrupted });
    at += (messageLength + 3) & ~3;
  }
  return at >= end;
}

type Body =
  | LinkMessage
  | AddressMessage
  | RouteMessage
  | NeighbourMessage
  | AnswerMessage
  | { readonly kind: 'overrun' | 'other' };

const OTHER: Body = { kind: 'other' };

function readBody(view: DataView, type: number, at: number, end: number): Body | undefined {
  switch (type) {
    case NLMSG_ERROR:
    case NLMSG_DONE: {
      if (end - at < 4) return type === NLMSG_DONE ? { kind: 'done', errno: 0 } : undefined;
      return { kind: type === NLMSG_DONE ? 'done' : 'error', errno: -view.getInt32(at, true) };
    }
    case NLMSG_OVERRUN:
      return { kind: 'overrun' };
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return readLink(view, type === RTM_DELLINK, at, end);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return readAddress(view, type === RTM_DELADDR, at, end);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return readRoute(view, type === RTM_DELROUTE, at, end);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return readNeighbour(view, type === RTM_DELNEIGH, at, end);
    default:
      return OTHER;
  }
}

/** Walks attributes; `visit` gets type, start and end of each value. False: they don't fit. */
function readAttributes(
  view: DataView,
  at: number,
  end: number,
  visit: (type: number, at: number, end: number) => boolean,
): boolean {
  while (end - at >= ATTRIBUTE_HEADER_BYTES) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER_BYTES || length > end - at) return false;
    // The two highest bits say "nested" and "network order", not which attribute it is.
    const type = view.getUint16(at + 2, true) & 0x3fff;
    if (!visit(type, at + ATTRIBUTE_HEADER_BYTES, at + length)) return false;
    at += (length + 3) & ~3;
  }
  return true;
}

function readMac(view: DataView, at: number, end: number): Mac | undefined {
  if (end - at !== 6) return undefined;
  return { high: view.getUint32(at, false), low: view.getUint16(at + 4, false) };
}

const LINK_HEADER_BYTES = 16;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const ARPHRD_ETHER = 1;
const IFF_UP = 1;
const AF_UNSPEC = 0;

/** struct ifinfomsg: family u8, pad, hardware type u16, index i32, flags u32, change u32. */
function readLink(view: DataView, removed: boolean, at: number, end: number): Body | undefined {
  if (end - at < LINK_HEADER_BYTES) return undefined;
  // Bridges send news about their ports under a family of their own: not about the link itself.
  if (view.getUint8(at) !== AF_UNSPEC) return OTHER;
  const ethernet = view.getUint16(at + 2, true) === ARPHRD_ETHER;
  const index = view.getInt32(at + 4, true);
  const up = (view.getUint32(at + 8, true) & IFF_UP) !== 0;
  let name = '';
  let mtu = 0;
  let mac: Mac | undefined;
  const whole = readAttributes(view, at + LINK_HEADER_BYTES, end, (type, from, to) => {
    if (type === IFLA_ADDRESS && ethernet) mac = readMac(view, from, to);
    if (type === IFLA_IFNAME) name = readName(view, from, to);
    if (type === IFLA_MTU) {
      if (to - from < 4) return false;
      mtu = view.getUint32(from, true);
    }
    return true;
  });
  return whole ? { kind: 'link', removed, index, name, up, mtu, mac } : undefined;
}

function readName(view: DataView, at: number, end: number): string {
  let name = '';
  for (; at < end && view.getUint8(at) !== 0; at++) name += String.fromCharCode(view.getUint8(at));
  return name;
}

const ADDRESS_HEADER_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;

/** struct ifaddrmsg: family u8, prefix bits u8, flags u8, scope u8, index u32. */
function readAddress(view: DataView, removed: boolean, at: number, end: number): Body | undefined {
  if (end - at < ADDRESS_HEADER_BYTES) return undefined;
  if (view.getUint8(at) !== AF_INET) return OTHER;
  const prefixBits = view.getUint8(at + 1);
  const index = view.getUint32(at + 4, true);
  let address: number | undefined;
  let local: number | undefined;
  let broadcast: number | undefined;
  const whole = readAttributes(view, at + ADDRESS_HEADER_BYTES, end, (type, from, to) => {
    if (type !== IFA_ADDRESS && type !== IFA_LOCAL && type !== IFA_BROADCAST) return true;
    if (to - from < 4) return false;
    const value = view.getUint32(from, false);
    if (type === IFA_ADDRESS) address = value;
    if (type === IFA_LOCAL) local = value;
    if (type === IFA_BROADCAST) broadcast = value;
    return true;
  });
  // On point-to-point links IFA_ADDRESS is the other end, IFA_LOCAL our own.
  const own = local ?? address;
  if (!whole || own === undefined || prefixBits > 32) return undefined;
  return { kind: 'address', removed, index, local: own, prefixBits, broadcast };
}

const ROUTE_HEADER_BYTES = 12;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
/** A gateway of another family (IPv4 over IPv6). */
const RTA_VIA = 18;
/** A tunnel or MPLS around the packet. */
const RTA_ENCAP = 22;
const RTN_UNICAST = 1;

/**
 * struct rtmsg: family u8, destination bits u8, source bits u8, tos u8, table u8, protocol u8,
 * scope u8, type u8, flags u32. Only the main table concerns us, without source or tos rules.
 */
function readRoute(view: DataView, removed: boolean, at: number, end: number): Body | undefined {
  if (end - at < ROUTE_HEADER_BYTES) return undefined;
  if (view.getUint8(at) !== AF_INET) return OTHER;
  const prefixBits = view.getUint8(at + 1);
  const conditional = view.getUint8(at + 2) !== 0 || view.getUint8(at + 3) !== 0;
  const unicast = view.getUint8(at + 7) === RTN_UNICAST;
  const flags = view.getUint32(at + 8, true);
  const single = { index: 0, gateway: 0, weight: 1 };
  let table = view.getUint8(at + 4);
  let destination = 0;
  let metric = 0;
  let hops: RouteHop[] | undefined;
  let foreign = false;
  const whole = readAttributes(view, at + ROUTE_HEADER_BYTES, end, (type, from, to) => {
    if (type === RTA_MULTIPATH) {
      hops = readHops(view, from, to);
      return hops !== undefined;
    }
    if (type === RTA_VIA || type === RTA_ENCAP) foreign = true;
    if (![RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_TABLE].includes(type)) return true;
    if (to - from < 4) return false;
    if (type === RTA_DST) destination = view.getUint32(from, false);
    if (type === RTA_OIF) single.index = view.getUint32(from, true);
    if (type === RTA_GATEWAY) single.gateway = view.getUint32(from, false);
    if (type === RTA_PRIORITY) metric = view.getUint32(from, true);
    if (type === RTA_TABLE) table = view.getUint32(from, true);
    return true;
  });
  if (!whole || prefixBits > 32) return undefined;
  if (table !== ROUTE_TABLE_MAIN || conditional || (flags & ROUTE_CLONED) !== 0) return OTHER;
  // The kernel repeats the next hop's flags of a route with only one hop in the route's.
  const alive = single.index !== 0 && !foreign && (flags & NEXT_HOP_DEAD) === 0;
  hops ??= alive ? [single] : [];
  return { kind: 'route', removed, destination, prefixBits, metric, unicast, hops };
}

/** struct rtnexthop: length u16, flags u8, weight - 1 u8, index i32; then attributes. */
function readHops(view: DataView, at: number, end: number): RouteHop[] | undefined {
  const hops: RouteHop[] = [];
  while (end - at >= NEXT_HOP_HEADER_BYTES) {
    const length = view.getUint16(at, true);
    if (length < NEXT_HOP_HEADER_BYTES || length > end - at) return undefined;
    const flags = view.getUint8(at + 2);
    const weight = view.getUint8(at + 3) + 1;
    const index = view.getInt32(at + 4, true);
    let gateway = 0;
    let foreign = false;
    const whole = readAttributes(
      view,
      at + NEXT_HOP_HEADER_BYTES,
      at + length,
      (type, from, to) => {
        if (type === RTA_VIA || type === RTA_ENCAP) foreign = true;
        if (type !== RTA_GATEWAY) return true;
        if (to - from < 4) return false;
        gateway = view.getUint32(from, false);
        return true;
      },
    );
    if (!whole) return undefined;
    if (!foreign && (flags & NEXT_HOP_DEAD) === 0) hops.push({ index, gateway, weight });
    at += (length + 3) & ~3;
  }
  return hops;
}

const NEIGHBOUR_HEADER_BYTES = 12;
export const NDA_DST = 1;
const NDA_LLADDR = 2;

/** struct ndmsg: family u8, pad, pad u16, index i32, state u16, flags u8, type u8. */
function readNeighbour(
  view: DataView,
  removed: boolean,
  at: number,
  end: number,
): Body | undefined {
  if (end - at < NEIGHBOUR_HEADER_BYTES) return undefined;
  if (view.getUint8(at) !== AF_INET) return OTHER;
  const index = view.getInt32(at + 4, true);
  const state = view.getUint16(at + 8, true);
  let address: number | undefined;
  let mac: Mac | undefined;
  const whole = readAttributes(view, at + NEIGHBOUR_HEADER_BYTES, end, (type, from, to) => {
    if (type === NDA_LLADDR) mac = readMac(view, from, to);
    if (type !== NDA_DST) return true;
    if (to - from < 4) return false;
    address = view.getUint32(from, false);
    return true;
  });
  if (!whole) return undefined;
  // Entries without a destination exist (bridges' forwarding tables): not about an IPv4 neighbour.
  if (address === undefined) return OTHER;
  return { kind: 'neighbour', removed, index, address, state, mac };
}
