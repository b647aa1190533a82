/** A row's keys, from what the store knows of its flow. */
import { type Endpoint, ipv4ToNumber, type SocketAddress } from '@flowstore/flow';
import type { FlowKeys } from '@flowstore/flow-table';

export function keysOf(
  inside: Endpoint,
  remote: SocketAddress | null,
  outside: SocketAddress,
): FlowKeys {
  return {
    domain: inside.domain,
    protocol: inside.protocol,
    insideAddress: ipv4ToNumber(inside.address),
    insidePort: inside.port,
    remoteAddress: remote === null ? 0 : ipv4ToNumber(remote.address),
    remotePort: remote === null ? 0 : remote.port,
    outsideAddress: ipv4ToNumber(outside.address),
    outsidePort: outside.port,
  };
}
