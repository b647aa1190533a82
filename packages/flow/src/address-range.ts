/** Runs of IPv4 addresses, written as a prefix, as an address, or as "first-last". */
import {
  formatAddress,
  IPV4_BYTES,
  ipv4FromNumber,
  ipv4ToNumber,
  parseAddress,
} from './address.ts';
import { formatPrefix, parsePrefix, prefixSize } from './prefix.ts';

export interface AddressRange {
  /** Unsigned numbers, both in the range. */
  readonly first: number;
  readonly last: number;
}

/** Throws a TypeError that names the text and what is wrong with it. */
export function parseAddressRange(text: string): AddressRange {
  const dash = text.indexOf('-');
  if (dash < 0) {
    const prefix = parsePrefix(text);
    if (prefix.address.length !== IPV4_BYTES) throw new TypeError('IPv6 is not supported yet');
    const first = ipv4ToNumber(prefix.address);
    return { first, last: first + prefixSize(prefix) - 1 };
  }
  const first = parseIpv4Number(text.slice(0, dash));
  const last = parseIpv4Number(text.slice(dash + 1));
  if (last < first) throw new TypeError(`"${text}" ends before it begins`);
  return { first, last };
}

/** One text for one way of writing: a prefix has its length, an address alone is a /32. */
export function canonicalAddressRange(text: string): string {
  const { first, last } = parseAddressRange(text);
  return text.includes('-') ? formatAddressRange({ first, last }) : formatPrefix(parsePrefix(text));
}

export function formatAddressRange({ first, last }: AddressRange): string {
  const address = formatAddress(ipv4FromNumber(first));
  return first === last ? address : `${address}-${formatAddress(ipv4FromNumber(last))}`;
}

export function rangeSize({ first, last }: AddressRange): number {
  return last - first + 1;
}

export function rangesOverlap(a: AddressRange, b: AddressRange): boolean {
  return a.first <= b.last && b.first <= a.last;
}

export function parseIpv4Number(text: string): number {
  const address = parseAddress(text);
  if (address.length !== IPV4_BYTES) throw new TypeError('IPv6 is not supported yet');
  return ipv4ToNumber(address);
}
