/**
 * IP addresses as bytes in network order: 4 for IPv4, 16 for IPv6. The length is the family.
 * On the packet path an IPv4 address is one unsigned 32-bit number instead.
 */
import { isIPv4, isIPv6 } from 'node:net';

export type IpAddress = Uint8Array;

export const IPV4_BYTES = 4;
export const IPV6_BYTES = 16;

/** Parses dotted quad or RFC 4291 text. Throws a TypeError that names the text. */
export function parseAddress(text: string): IpAddress {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (isIPv6(text) && !text.includes('%')) return parseIpv6(text);
  throw new TypeError(`"${text}" is not an IPv4 or IPv6 address`);
}

function parseIpv6(text: string): IpAddress {
  // An embedded dotted quad (::ffff:192.0.2.1) stands for the last two groups.
  const quad = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (quad !== null) {
    const [a, b, c, d] = quad.slice(1).map(Number) as [number, number, number, number];
    const groups = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
    text = text.slice(0, quad.index) + groups;
  }
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = new Array<string>(8 - left.length - right.length).fill('0');
  const groups = [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
  return Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
}

/** Dotted quad, or RFC 5952 text (lower case, the longest run of zero groups shortened). */
export function formatAddress(address: IpAddress): string {
  if (address.length === IPV4_BYTES) return address.join('.');
  const groups: number[] = [];
  for (let i = 0; i < IPV6_BYTES; i += 2) groups.push((address[i]! << 8) | address[i + 1]!);
  const { start, length } = longestZeroRun(groups);
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}

/** The IPv4 address as an unsigned 32-bit number, the packet path's form. */
export function ipv4ToNumber(address: IpAddress): number {
  return ((address[0]! << 24) | (address[1]! << 16) | (address[2]! << 8) | address[3]!) >>> 0;
}

export function ipv4FromNumber(address: number): IpAddress {
  return Uint8Array.of(
    address >>> 24,
    (address >>> 16) & 0xff,
    (address >>> 8) & 0xff,
    address & 0xff,
  );
}

export function addressEquals(a: IpAddress, b: IpAddress): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
