// The servers that a lab's store is made of, as data: who listens where, and in which part.
import { LabError } from './errors.ts';
import { hostAddress, type Management } from './management.ts';
import { storePort } from './plan.ts';

/**
 * - single: one server, `store`
 * - sentinel: `store1` as the master, two replicas, three Sentinels
 * - cluster: `store1` to `store3` as masters, two replicas each
 */
export const storeKinds = ['single', 'sentinel', 'cluster'] as const;
export type StoreKind = (typeof storeKinds)[number];
export type ServerPart = 'server' | 'sentinel';
export type ServerPlan = { name: string; part: ServerPart; port: number };

export const sentinelPort = 26_390;
export const sentinelQuorum = 2;
export const masterName = 'flowstore';
export const replicasOfMaster = 2;
const mastersOfCluster = 3;

/** How many servers must have what counts: where a failover can happen, one replica. */
export const minReplicasOf = (kind: StoreKind): number => (kind === 'single' ? 0 : 1);

function numbered(part: ServerPart, word: string, count: number, first: number): ServerPlan[] {
  return Array.from({ length: count }, (_, at) => ({
    name: `${word}${at + 1}`,
    part,
    port: first + at,
  }));
}

export function planServers(kind: StoreKind): ServerPlan[] {
  if (kind === 'single') return [{ name: 'store', part: 'server', port: storePort }];
  if (kind === 'cluster') {
    return numbered('server', 'store', mastersOfCluster * (1 + replicasOfMaster), storePort);
  }
  return [
    ...numbered('server', 'store', 1 + replicasOfMaster, storePort),
    ...numbered('sentinel', 'sentinel', 3, sentinelPort),
  ];
}

/** What gateways and reapers are told. */
export function storeUrl(kind: StoreKind, management: Management): string {
  const address = hostAddress(management);
  if (kind === 'single') return `redis://${address}:${storePort}`;
  const part: ServerPart = kind === 'sentinel' ? 'sentinel' : 'server';
  const hosts = planServers(kind)
    .filter((server) => server.part === part)
    .slice(0, 3)
    .map(({ port }) => `${address}:${port}`)
    .join(',');
  return kind === 'sentinel'
    ? `redis+sentinel://${hosts}/${masterName}`
    : `redis+cluster://${hosts}`;
}

/** Options of a server, by name; its data is the first thing to go. */
export function serverOptions(
  kind: StoreKind,
  server: ServerPlan,
  address: string,
  folder: string,
): string[] {
  const options: [string, string][] = [
    ['bind', address],
    ['port', String(server.port)],
    ['protected-mode', 'no'],
    ['save', ''],
    ['appendonly', 'no'],
    ['maxmemory-policy', 'noeviction'],
    ['repl-diskless-sync-delay', '0'],
    ['dir', folder],
  ];
  if (kind === 'cluster') {
    options.push(
      ['cluster-enabled', 'yes'],
      ['cluster-node-timeout', '2000'],
      ['cluster-require-full-coverage', 'no'],
      ['cluster-replica-validity-factor', '0'],
      ['cluster-announce-ip', address],
    );
  }
  // Of the first server every other one is a replica, until the Sentinels know better.
  if (kind === 'sentinel' && server.port !== storePort) {
    options.push(['replicaof', `${address} ${storePort}`]);
  }
  return options.flatMap(([name, value]) => [`--${name}`, value]);
}

/** A Sentinel keeps what it learns in this file. */
export function sentinelConfig(server: ServerPlan, address: string, folder: string): string {
  return [
    `port ${server.port}`,
    `bind ${address}`,
    `dir ${folder}`,
    'protected-mode no',
    `sentinel monitor ${masterName} ${address} ${storePort} ${sentinelQuorum}`,
    `sentinel down-after-milliseconds ${masterName} 2000`,
    `sentinel failover-timeout ${masterName} 6000`,
    '',
  ].join('\n');
}

export function parseServer(name: string, known: readonly { name: string }[]): string {
  if (known.some((server) => server.name === name)) return name;
  const names = known.map((server) => server.name).join(', ');
  throw new LabError('LAB_USAGE', `no server ${name}: this lab's store has ${names}`);
}
