/** Numbers that stand for endpoints in the simulator's own books: one per endpoint, below 2^53. */
import { type IpAddress, ipv4ToNumber } from '@flowstore/flow';

const PORTS = 65_536;
const PROTOCOLS = [1, 6, 17];

/** Of an inside or an outside endpoint; the realm is known from where the key is used. */
export function endpointKey(protocol: number, address: number, port: number): number {
  return (address * PORTS + port) * 4 + PROTOCOLS.indexOf(protocol);
}

export function remoteKey(address: number, port: number): number {
  return address * PORTS + port;
}

export function addressNumber(address: IpAddress): number {
  return ipv4ToNumber(address);
}

export function formatEndpoint(address: number, port: number): string {
  const bytes = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
  return `${bytes.join('.')}:${port}`;
}

export function protocolName(protocol: number): string {
  return protocol === 6 ? 'tcp' : protocol === 17 ? 'udp' : 'icmp';
}
