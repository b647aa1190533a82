// The management network: the store and the gateways' HTTP live on it, and the root namespace has
// an address there. It is the one network that must not collide with the machine's own: a host
// that sits in 192.0.2.0/24 itself would lose its default gateway to the lab's bridge. So the lab
// takes the first candidate that the root namespace neither has an address in nor a route to.
// All are documentation (RFC 5737) or benchmark (RFC 2544) ranges that the data plane leaves free.
import { LabError } from './errors.ts';

export const managementCandidates = ['192.0.2', '198.19.0', '198.19.1', '198.19.2'] as const;

export type Management = { net: string };

export const hostAddress = (management: Management): string => `${management.net}.1`;

export const gatewayAddress = (management: Management, index: number): string =>
  `${management.net}.${100 + index}`;

type Range = { first: number; last: number };

/** `10.0.0.0/8` or a bare address -> the addresses it spans. */
export function prefixRange(prefix: string): Range {
  const [address = '', length = '32'] = prefix.split('/');
  const number = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const size = 2 ** (32 - Number(length));
  const first = Math.floor(number / size) * size;
  return { first, last: first + size - 1 };
}

export function chooseManagement(taken: readonly string[]): Management {
  const ranges = taken.map(prefixRange);
  for (const net of managementCandidates) {
    const mine = prefixRange(`${net}.0/24`);
    const free = ranges.every((range) => range.last < mine.first || range.first > mine.last);
    if (free) return { net };
  }
  const tried = managementCandidates.map((net) => `${net}.0/24`).join(', ');
  throw new LabError(
    'LAB_REQUIREMENT',
    `no free management network: this machine has addresses in or routes to all of ${tried}`,
  );
}
