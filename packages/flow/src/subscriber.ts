/**
 * A subscriber: an inside address of a domain, whatever its protocols and ports. Packed form:
 * domain (3 bytes), address (4 or 16).
 */
import type { IpAddress } from './address.ts';

export interface Subscriber {
  readonly domain: number;
  readonly address: IpAddress;
}

export function packSubscriber({ domain, address }: Subscriber): Uint8Array {
  const bytes = new Uint8Array(3 + address.length);
  bytes[0] = domain >>> 16;
  bytes[1] = domain >>> 8;
  bytes[2] = domain;
  bytes.set(address, 3);
  return bytes;
}
