import { AF_INET, OTHER, type Other, readAttributes } from './attributes.ts';

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

const ROUTE_TABLE_MAIN = 254;
const ROUTE_CLONED = 0x200;
const NEXT_HOP_DEAD = 1;
const NEXT_HOP_HEADER_BYTES = 8;
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
export function readRoute(
  view: DataView,
  removed: boolean,
  at: number,
  end: number,
): RouteMessage | Other | undefined {
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
