// The shape of the lab as data: names and addresses are a contract (DESIGN.md section 8).
import { LabError } from './errors.ts';

export const gatewaysMax = 16;
export const gatewaysDefault = 2;

export const lanNamespace = 'fs-lan';
export const wanNamespace = 'fs-wan';
export const clientPrefix = '198.18.1.0/24';
export const insidePrefix = '198.18.0.0/16';
export const poolPrefix = '203.0.113.0/28';
export const clientAddresses = ['198.18.1.10', '198.18.1.11'] as const;
export const serverAddresses = ['198.51.100.10', '198.51.100.20'] as const;
export const clientRouter = '198.18.1.1';
export const serverRouter = '198.51.100.1';

export const gatewayMetricsPort = 9464;
export const gatewayPeerPort = 9465;
export const reaperMetricsPort = 9564;
export const storePort = 6390;

/** Bridges inside the routers, with the clients and the servers on them. */
export const clientBridge = 'clients';
export const serverBridge = 'servers';

/** Bridge in the root namespace: the only thing of the lab that is there. */
export const managementBridge = 'fs-mgmt';

export type Side = 'inside' | 'outside';

export const gatewayName = (index: number): string => `gw${index}`;
export const gatewayNamespace = (index: number): string => `fs-gw${index}`;
export const managementPort = (index: number): string => `fs-mgmt-gw${index}`;

/** Both ends of a gateway's /30: the router has .1, the gateway .2. */
export function linkAddresses(side: Side, index: number): { router: string; gateway: string } {
  const net = `198.${side === 'inside' ? 18 : 19}.${100 + index}`;
  return { router: `${net}.1`, gateway: `${net}.2` };
}

export function gatewayIndexes(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

export function checkGatewayCount(count: number): number {
  if (!Number.isInteger(count) || count < 1 || count > gatewaysMax) {
    throw new LabError('LAB_USAGE', `gateways: ${count} is not a whole number 1..${gatewaysMax}`);
  }
  return count;
}

const hostNamespaces = ['fs-client1', 'fs-client2', 'fs-server1', 'fs-server2'];

export function namespaces(gatewayCount: number): string[] {
  const gateways = gatewayIndexes(gatewayCount).map(gatewayNamespace);
  return [...hostNamespaces, lanNamespace, wanNamespace, ...gateways];
}

/** Whether a namespace of this name is the lab's: what `down` may delete, whoever left it. */
export function isLabNamespace(name: string): boolean {
  return namespaces(gatewaysMax).includes(name);
}

export function isLabLink(name: string): boolean {
  return name === managementBridge || /^fs-mgmt-gw([1-9]|1[0-6])$/.test(name);
}

/** `gw1` -> 1; refuses what is no gateway of a lab of that size. */
export function parseGateway(name: string, gatewayCount: number): number {
  const match = /^(?:fs-)?gw([1-9]\d?)$/.exec(name);
  const index = match ? Number(match[1]) : 0;
  if (index < 1 || index > gatewayCount) {
    throw new LabError('LAB_USAGE', `no gateway ${name}: this lab has gw1..gw${gatewayCount}`);
  }
  return index;
}

/** `client1`, `fs-client1`, `gw2`, ... -> the namespace's name. */
export function parseNode(name: string, gatewayCount: number): string {
  const wanted = name.startsWith('fs-') ? name : `fs-${name}`;
  const known = namespaces(gatewayCount);
  if (!known.includes(wanted)) {
    throw new LabError('LAB_USAGE', `no node ${name}: this lab has ${known.join(', ')}`);
  }
  return wanted;
}
