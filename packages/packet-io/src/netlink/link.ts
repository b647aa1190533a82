import { type Mac, OTHER, type Other, readAttributes, readMac } from './attributes.ts';

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

const LINK_HEADER_BYTES = 16;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const ARPHRD_ETHER = 1;
const IFF_UP = 1;
const AF_UNSPEC = 0;

/** struct ifinfomsg: family u8, pad, hardware type u16, index i32, flags u32, change u32. */
export function readLink(
  view: DataView,
  removed: boolean,
  at: number,
  end: number,
): LinkMessage | Other | undefined {
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
