import { AF_INET, type Mac, OTHER, type Other, readAttributes, readMac } from './attributes.ts';

export interface NeighbourMessage {
  readonly kind: 'neighbour';
  readonly removed: boolean;
  readonly index: number;
  readonly address: number;
  /** NUD_* bits. */
  readonly state: number;
  readonly mac: Mac | undefined;
}

const NEIGHBOUR_HEADER_BYTES = 12;
export const NDA_DST = 1;
const NDA_LLADDR = 2;

/** struct ndmsg: family u8, pad, pad u16, index i32, state u16, flags u8, type u8. */
export function readNeighbour(
  view: DataView,
  removed: boolean,
  at: number,
  end: number,
): NeighbourMessage | Other | undefined {
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
