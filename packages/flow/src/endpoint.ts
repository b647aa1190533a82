/**
 * Endpoint: (domain, protocol, address, port). For ICMP queries the identifier stands for the port.
 *
 * Packed form, network byte order; the length tells the family, so it is injective:
 *
 * ```
 *  0         3          4           4+a      6+a      a = 4 or 16
 *  +---------+----------+-----------+--------+
 *  | domain  | protocol | address   | port   |
 *  +---------+----------+-----------+--------+
 * ```
 */
import { addressEquals, formatAddress, IPV4_BYTES, IPV6_BYTES, type IpAddress } from './address.ts';
import { protocolName } from './protocol.ts';

export interface Endpoint {
  /** 24 bits: keeps overlapping private networks apart. */
  readonly domain: number;
  readonly protocol: number;
  readonly address: IpAddress;
  readonly port: number;
}

/** The address and port of a peer, or of an outside endpoint whose protocol is known. */
export interface SocketAddress {
  readonly address: IpAddress;
  readonly port: number;
}

export const DOMAIN_MAX = 0xfffffe;
/** The outside realm is one: its keys carry this domain, which no inside network may use. */
export const OUTSIDE_DOMAIN = 0xffffff;

export const ENDPOINT_ADDRESS_OFFSET = 4;
export const IPV4_ENDPOINT_BYTES = 10;
export const IPV6_ENDPOINT_BYTES = 22;
export const IPV4_SOCKET_ADDRESS_BYTES = 6;
export const IPV6_SOCKET_ADDRESS_BYTES = 18;

export function packEndpoint(endpoint: Endpoint): Uint8Array {
  const { domain, protocol, address, port } = endpoint;
  const bytes = new Uint8Array(ENDPOINT_ADDRESS_OFFSET + address.length + 2);
  bytes[0] = domain >>> 16;
  bytes[1] = domain >>> 8;
  bytes[2] = domain;
  bytes[3] = protocol;
  bytes.set(address, ENDPOINT_ADDRESS_OFFSET);
  bytes[bytes.length - 2] = port >>> 8;
  bytes[bytes.length - 1] = port;
  return bytes;
}

/** Throws a RangeError where the length is neither form's. */
export function unpackEndpoint(bytes: Uint8Array): Endpoint {
  if (bytes.length !== IPV4_ENDPOINT_BYTES && bytes.length !== IPV6_ENDPOINT_BYTES) {
    throw new RangeError(
      `a packed endpoint has ${IPV4_ENDPOINT_BYTES} or ${IPV6_ENDPOINT_BYTES} bytes, ` +
        `not ${bytes.length}`,
    );
  }
  return {
    domain: (bytes[0]! << 16) | (bytes[1]! << 8) | bytes[2]!,
    protocol: bytes[3]!,
    ...unpackSocketAddress(bytes.subarray(ENDPOINT_ADDRESS_OFFSET)),
  };
}

/** Packed form: address (4 or 16 bytes), port (2). */
export function packSocketAddress({ address, port }: SocketAddress): Uint8Array {
  const bytes = new Uint8Array(address.length + 2);
  bytes.set(address);
  bytes[address.length] = port >>> 8;
  bytes[address.length + 1] = port;
  return bytes;
}

/** Throws a RangeError where the length is neither form's. */
export function unpackSocketAddress(bytes: Uint8Array): SocketAddress {
  const size = bytes.length - 2;
  if (size !== IPV4_BYTES && size !== IPV6_BYTES) {
    throw new RangeError(
      `a packed socket address has ${IPV4_SOCKET_ADDRESS_BYTES} or ${IPV6_SOCKET_ADDRESS_BYTES} ` +
        `bytes, not ${bytes.length}`,
    );
  }
  return { address: bytes.slice(0, size), port: (bytes[size]! << 8) | bytes[size + 1]! };
}

export function socketAddressEquals(a: SocketAddress, b: SocketAddress): boolean {
  return a.port === b.port && addressEquals(a.address, b.address);
}

export function endpointEquals(a: Endpoint, b: Endpoint): boolean {
  return a.domain === b.domain && a.protocol === b.protocol && socketAddressEquals(a, b);
}

export function formatSocketAddress({ address, port }: SocketAddress): string {
  const text = formatAddress(address);
  return address.length === IPV6_BYTES ? `[${text}]:${port}` : `${text}:${port}`;
}

/** For people: "udp 198.18.1.10:5353", with "domain 7 " in front unless it is 0. */
export function formatEndpoint(endpoint: Endpoint): string {
  const domain = endpoint.domain === 0 ? '' : `domain ${endpoint.domain} `;
  return `${domain}${protocolName(endpoint.protocol)} ${formatSocketAddress(endpoint)}`;
}
