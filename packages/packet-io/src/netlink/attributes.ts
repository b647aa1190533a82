/**
 * What rtnetlink messages have in common: behind a fixed header they are lists of attributes, each
 * padded to 4.
 *
 * ```
 *  +0 length u16 | +2 type u16 | +4 value          (length includes these 4 bytes)
 * ```
 */
const ATTRIBUTE_HEADER_BYTES = 4;

/** The family of IPv4, in the first byte of every fixed header. */
export const AF_INET = 2;

/** A message that doesn't concern the next hops of IPv4. */
export interface Other {
  readonly kind: 'other';
}
export const OTHER: Other = { kind: 'other' };

/** A hardware address as the two numbers that are written into a frame. */
export interface Mac {
  /** The first 4 bytes, big-endian. */
  readonly high: number;
  /** The last 2 bytes, big-endian. */
  readonly low: number;
}

/** Walks attributes; `visit` gets type, start and end of each value. False: they don't fit. */
export function readAttributes(
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

export function readMac(view: DataView, at: number, end: number): Mac | undefined {
  if (end - at !== 6) return undefined;
  return { high: view.getUint32(at, false), low: view.getUint16(at + 4, false) };
}
