/** Who is where: the addresses of the lab (DESIGN.md, section 8), and what all gateways share. */
import {
  CLUSTER_DEFAULTS,
  type ClusterConfig,
  formatAddress,
  ipv4FromNumber,
  ipv4ToNumber,
  parseAddress,
} from '@flowstore/flow';
import { OutsidePool } from '@flowstore/nat';
import { type NextHops, staticNextHops } from '@flowstore/packet-io';

export const CONFIG: ClusterConfig = {
  ...CLUSTER_DEFAULTS,
  pool: ['203.0.113.0/28'],
  insidePrefixes: ['198.18.1.0/24'],
};

const number = (text: string) => ipv4ToNumber(parseAddress(text));
export const CLIENTS = ['198.18.1.10', '198.18.1.11'].map(number);
export const SERVERS = ['198.51.100.10', '198.51.100.20'].map(number);
export const GATEWAYS = ['gw1', 'gw2'];

const POOL = new OutsidePool(CONFIG.pool);
const SERVERS_NETWORK = number('198.51.100.0');

export const isInPool = (address: number) => POOL.contains(address);
export const isOutside = (address: number) => (address & ~0xff) >>> 0 === SERVERS_NETWORK;
export const addressText = (address: number) => formatAddress(ipv4FromNumber(address));

/** Gateway K has two links, 198.18.(100+K).0/30 and 198.19.(100+K).0/30; the router is .1. */
export function nextHopsOf(gateway: string): NextHops {
  const k = GATEWAYS.indexOf(gateway) + 1;
  const mac = (link: number, end: number) => `02:00:00:0${k}:0${link}:0${end}`;
  const link = (index: number, name: string, address: string) => ({
    index,
    name,
    mac: mac(index, 2),
    mtu: 1_500,
    addresses: [number(address)],
  });
  const interfaces = [
    link(1, 'inside', `198.18.${100 + k}.2`),
    link(2, 'outside', `198.19.${100 + k}.2`),
  ];
  return staticNextHops(interfaces, [
    { destination: number('198.18.1.0'), prefixBits: 24, interfaceIndex: 1, mac: mac(1, 1) },
    { destination: 0, prefixBits: 0, interfaceIndex: 2, mac: mac(2, 1) },
  ]);
}
