// Builds and removes the namespaces, links, addresses and sysctls. What it builds:
//
//   client1 .10 ─┐                    ┌─ inside  gw1  outside ─┐                   ┌─ .10 server1
//                ├─ 198.18.1.0/24 fs-lan         ...         fs-wan 198.51.100.0/24 ┤
//   client2 .11 ─┘       .1           └─ inside  gwN  outside ─┘        .1         └─ .20 server2
//                                         mgmt ── fs-mgmt (root namespace) ── store, reapers
import { existsSync, readdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { ip, ipBatch } from './ip.ts';
import { gatewayAddress, hostAddress, type Management } from './management.ts';
import {
  clientAddresses,
  clientBridge,
  clientPrefix,
  clientRouter,
  gatewayIndexes,
  gatewayName,
  gatewayNamespace,
  isLabLink,
  isLabNamespace,
  lanNamespace,
  linkAddresses,
  managementBridge,
  managementPort,
  namespaces,
  serverAddresses,
  serverBridge,
  serverRouter,
  wanNamespace,
} from './plan.ts';
import { waitFor } from './wait.ts';

const namespaceFolder = '/run/netns';

// What statfs says of a namespace's file while it is one; after a reboot it may be a plain file.
const namespaceFileSystem = 0x6e736673;

/** Namespaces of the lab that have a file now, whoever made it. */
export function presentNamespaces(): string[] {
  return existsSync(namespaceFolder) ? readdirSync(namespaceFolder).filter(isLabNamespace) : [];
}

export function isLive(namespace: string): boolean {
  try {
    return statfsSync(join(namespaceFolder, namespace)).type === namespaceFileSystem;
  } catch {
    return false;
  }
}

export function presentLinks(): string[] {
  return readdirSync('/sys/class/net').filter(isLabLink);
}

function isRouter(namespace: string): boolean {
  return namespace === lanNamespace || namespace === wanNamespace;
}

// Set before the links exist, so that each link is born with them.
function sysctls(namespace: string): [path: string, value: string][] {
  const router = isRouter(namespace);
  const common: [string, string][] = [
    ['ipv6/conf/all/disable_ipv6', '1'],
    ['ipv6/conf/default/disable_ipv6', '1'],
    ['ipv4/conf/all/rp_filter', '0'],
    ['ipv4/conf/default/rp_filter', '0'],
    ['ipv4/ip_forward', router ? '1' : '0'],
  ];
  if (!router) return common;
  return [
    ...common,
    ['ipv4/conf/all/send_redirects', '0'],
    ['ipv4/conf/default/send_redirects', '0'],
    // The true 5-tuple of each packet. Policy 1 takes the sending socket's own hash over veth,
    // which is rolled anew at a retransmission: stuck flows would heal by luck.
    ['ipv4/fib_multipath_hash_policy', '3'],
    ['ipv4/fib_multipath_hash_fields', '55'],
  ];
}

// /proc/sys/net shows the namespace of whoever opens it: so a shell inside does the writing. A
// kernel without IPv6 lacks those files, and needs no disabling.
function applySysctls(namespace: string): Promise<string> {
  const script = sysctls(namespace).map(([path, value]) => {
    const file = `/proc/sys/net/${path}`;
    const write = `echo ${value} > ${file}`;
    return path.startsWith('ipv6/') ? `if [ -e ${file} ]; then ${write}; fi` : write;
  });
  return ip(['netns', 'exec', namespace, 'sh', '-ec', script.join('\n')]);
}

function pair(namespace: string, name: string, peerNamespace: string, peer: string): string {
  const far = `peer name ${peer} netns ${peerNamespace}`;
  return `link add name ${name} netns ${namespace} type veth ${far}`;
}

function linkLines(gatewayCount: number): string[] {
  const gateways = gatewayIndexes(gatewayCount).flatMap((index) => {
    const namespace = gatewayNamespace(index);
    const port = managementPort(index);
    return [
      pair(namespace, 'inside', lanNamespace, gatewayName(index)),
      pair(namespace, 'outside', wanNamespace, gatewayName(index)),
      `link add name mgmt netns ${namespace} type veth peer name ${port}`,
      `link set ${port} addrgenmode none`,
      `link set ${port} master ${managementBridge} up`,
    ];
  });
  return [
    `link add name ${managementBridge} type bridge`,
    // No IPv6 on it, without touching the root namespace's sysctls.
    `link set ${managementBridge} addrgenmode none`,
    ...[1, 2].map((at) => pair(`fs-client${at}`, 'eth0', lanNamespace, `client${at}`)),
    ...[1, 2].map((at) => pair(`fs-server${at}`, 'eth0', wanNamespace, `server${at}`)),
    ...gateways,
  ];
}

function hostLines(address: string, router: string): string[] {
  return [
    'link set lo up',
    `addr add ${address}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${router}`,
  ];
}

function routerLines(side: 'inside' | 'outside', gatewayCount: number): string[] {
  const [bridge, router, host] =
    side === 'inside'
      ? [clientBridge, clientRouter, 'client']
      : [serverBridge, serverRouter, 'server'];
  return [
    'link set lo up',
    `link add name ${bridge} type bridge`,
    ...[1, 2].map((at) => `link set ${host}${at} master ${bridge} up`),
    `addr add ${router}/24 dev ${bridge}`,
    `link set ${bridge} up`,
    ...gatewayIndexes(gatewayCount).flatMap((index) => [
      `addr add ${linkAddresses(side, index).router}/30 dev ${gatewayName(index)}`,
      `link set ${gatewayName(index)} up`,
    ]),
  ];
}

function gatewayLines(index: number, management: Management): string[] {
  const inside = linkAddresses('inside', index);
  const outside = linkAddresses('outside', index);
  return [
    'link set lo up',
    `addr add ${inside.gateway}/30 dev inside`,
    `addr add ${outside.gateway}/30 dev outside`,
    `addr add ${gatewayAddress(management, index)}/24 dev mgmt`,
    ...['inside', 'outside', 'mgmt'].map((device) => `link set ${device} up`),
    `route add ${clientPrefix} via ${inside.router}`,
    `route add default via ${outside.router}`,
  ];
}

/** The whole network, without any route over the gateways: those come with `routes.ts`. */
export async function buildNetwork(gatewayCount: number, management: Management): Promise<void> {
  const all = namespaces(gatewayCount);
  await ipBatch(all.map((namespace) => `netns add ${namespace}`));
  await Promise.all(all.map(applySysctls));
  await ipBatch([
    ...linkLines(gatewayCount),
    `addr add ${hostAddress(management)}/24 dev ${managementBridge}`,
    `link set ${managementBridge} up`,
  ]);
  await Promise.all([
    ...[0, 1].flatMap((at) => [
      ipBatch(hostLines(clientAddresses[at] as string, clientRouter), `fs-client${at + 1}`),
      ipBatch(hostLines(serverAddresses[at] as string, serverRouter), `fs-server${at + 1}`),
    ]),
    ipBatch(routerLines('inside', gatewayCount), lanNamespace),
    ipBatch(routerLines('outside', gatewayCount), wanNamespace),
    ...gatewayIndexes(gatewayCount).map((index) =>
      ipBatch(gatewayLines(index, management), gatewayNamespace(index)),
    ),
  ]);
}

type Link = { ifname: string; operstate: string; link_type: string };

async function linksAreUp(namespace: string | undefined): Promise<boolean> {
  const where = namespace === undefined ? [] : ['-n', namespace];
  const links = JSON.parse(await ip([...where, '-json', 'link', 'show', 'up'])) as Link[];
  return links
    .filter((link) => link.link_type !== 'loopback')
    .filter((link) => namespace !== undefined || isLabLink(link.ifname))
    .every((link) => link.operstate === 'UP');
}

/**
 * Waits until every link carries packets. The kernel gets round to that up to a second after `link
 * set up`; what is sent before is lost (a bridge's port isn't forwarding, a link has no queue yet).
 */
export async function awaitLinks(gatewayCount: number, signal?: AbortSignal): Promise<void> {
  const options = { everyMs: 30, ...(signal ? { signal } : {}) };
  // The routers and the root namespace hold one end of each link: few to ask again and again.
  const ends = [[lanNamespace, wanNamespace, undefined], namespaces(gatewayCount)];
  for (const group of ends) {
    const up = async () => (await Promise.all(group.map(linksAreUp))).every(Boolean);
    await waitFor('all links to carry', up, 10_000, options);
  }
}

/**
 * Removes every namespace and link that bears a name of the lab. The links of the root namespace
 * go first and by name: a namespace's own links vanish some time after it, in the background.
 */
export async function removeNetwork(): Promise<void> {
  // Deleting a port's peer may race with the namespace's own end, hence one at a time.
  for (const link of presentLinks()) await ip(['link', 'del', link]).catch(() => {});
  const left = presentNamespaces();
  if (left.length === 0) return;
  const lines = left.map((namespace) => `netns del ${namespace}`);
  await ip(['-force', '-batch', '-'], lines);
}
