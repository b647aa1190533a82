/**
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624): a rewritten field changes
 * the ones' complement sum by `~old + new`, so no packet is summed twice.
 *
 * A transport checksum may be partial (virtio-net's NEEDS_CSUM): the field then holds the
 * non-inverted pseudo-header sum and the device completes it, so only the addresses count.
 */

/** Folds a sum of up to 2^16 16-bit words to 16 bits. */
export function fold(sum: number): number {
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum & 0xffff) + (sum >>> 16);
}

/** The delta of a 32-bit field, folded. */
export function delta32(old: number, next: number): number {
  return fold((~old & 0xffff) + (~old >>> 16) + (next & 0xffff) + (next >>> 16));
}

/** The delta of a 16-bit field, unfolded. */
export function delta16(old: number, next: number): number {
  return (~old & 0xffff) + next;
}

/** Applies a delta to a complete checksum. */
export function updateChecksum(view: DataView, offset: number, delta: number): void {
  const sum = (~view.getUint16(offset) & 0xffff) + delta;
  view.setUint16(offset, ~fold(sum));
}

/** Applies an address delta to a partial checksum. */
export function updatePartialChecksum(view: DataView, offset: number, delta: number): void {
  view.setUint16(offset, fold(view.getUint16(offset) + delta));
}

/** The ones' complement sum of `length` bytes, folded; an odd last byte is padded with zero. */
export function sumBytes(view: DataView, offset: number, length: number, initial = 0): number {
  let sum = initial;
  const even = offset + (length & ~1);
  for (let i = offset; i < even; i += 2) sum += view.getUint16(i);
  if (length & 1) sum += view.getUint8(even) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return sum;
}

/** The pseudo-header's part of a transport checksum (RFC 793, RFC 768). */
export function pseudoHeaderSum(
  source: number,
  destination: number,
  protocol: number,
  length: number,
): number {
  return fold(
    (source >>> 16) +
      (source & 0xffff) +
      (destination >>> 16) +
      (destination & 0xffff) +
      protocol +
      length,
  );
}
