/** CIDR prefixes over IPv4 and IPv6 addresses. */
import { formatAddress, type IpAddress, parseAddress } from './address.ts';

export interface Prefix {
  /** The first address: host bits are zero. */
  readonly address: IpAddress;
  /** Bits: 0-32 for IPv4, 0-128 for IPv6. */
  readonly length: number;
}

/** Parses "203.0.113.0/28"; a bare address is its own prefix. Throws a TypeError that names it. */
export function parsePrefix(text: string): Prefix {
  const [addressText = '', lengthText, ...rest] = text.split('/');
  const address = parseAddress(addressText);
  const bits = address.length * 8;
  const length = lengthText === undefined ? bits : Number(lengthText);
  const wellFormed =
    rest.length === 0 && (lengthText === undefined || /^\d{1,3}$/.test(lengthText));
  if (!wellFormed || length > bits) {
    throw new TypeError(`"${text}" is not a prefix: the length must be 0 to ${bits}`);
  }
  if (!address.every((byte, i) => (byte & ~maskByte(length, i)) === 0)) {
    throw new TypeError(`"${text}" has bits set beyond its length of ${length}`);
  }
  return { address, length };
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.address)}/${prefix.length}`;
}

export function prefixContains(prefix: Prefix, address: IpAddress): boolean {
  if (address.length !== prefix.address.length) return false;
  return address.every((byte, i) => (byte & maskByte(prefix.length, i)) === prefix.address[i]);
}

export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return prefixContains(a, b.address) || prefixContains(b, a.address);
}

/** How many addresses the prefix holds (a float: 2^128 for ::/0). */
export function prefixSize(prefix: Prefix): number {
  return 2 ** (prefix.address.length * 8 - prefix.length);
}

function maskByte(length: number, byte: number): number {
  const bits = Math.min(8, Math.max(0, length - byte * 8));
  return (0xff << (8 - bits)) & 0xff;
}
