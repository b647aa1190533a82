import { AF_INET, OTHER, type Other, readAttributes } from './attributes.ts';

/** Addresses are unsigned 32-bit numbers in host order throughout. */
export interface AddressMessage {
  readonly kind: 'address';
  readonly removed: boolean;
  readonly index: number;
  readonly local: number;
  readonly prefixBits: number;
  readonly broadcast: number | undefined;
}

const ADDRESS_HEADER_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;

/** struct ifaddrmsg: family u8, prefix bits u8, flags u8, scope u8, index u32. */
export function readAddress(
  view: DataView,
  removed: boolean,
  at: number,
  end: number,
): AddressMessage | Other | undefined {
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
