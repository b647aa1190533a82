// The config files that the lab writes for its gateways and reapers, and how `--config FILE`
// (YAML or JSON; top keys gateway, reaper, cluster) is laid over them.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { LabError } from './errors.ts';
import { gatewayAddress, hostAddress, type Management } from './management.ts';
import {
  gatewayMetricsPort,
  gatewayName,
  gatewayPeerPort,
  insidePrefix,
  poolPrefix,
} from './plan.ts';

export type Tree = { [key: string]: unknown };
export type LabConfig = { gateway?: Tree; reaper?: Tree; cluster?: Tree };

const topKeys = ['gateway', 'reaper', 'cluster'] as const;

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Objects merge key by key; everything else, arrays too, is replaced by what lies on top. */
export function deepMerge(base: Tree, over: Tree): Tree {
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    // A plain assignment to __proto__ would set the prototype instead of a key.
    if (key === '__proto__') continue;
    merged[key] = isTree(value) && isTree(below) ? deepMerge(below, value) : value;
  }
  return merged;
}

/** Refuses what it doesn't know: a typo must not run as the default. */
export function checkConfig(value: unknown, where: string): LabConfig {
  if (value === null || value === undefined) return {};
  const refuse = (text: string): never => {
    throw new LabError('LAB_USAGE', `${where}: ${text}`);
  };
  if (!isTree(value)) return refuse(`must be a mapping with the keys ${topKeys.join(', ')}`);
  for (const [key, part] of Object.entries(value)) {
    if (!(topKeys as readonly string[]).includes(key)) {
      refuse(`${key}: unknown, allowed are ${topKeys.join(', ')}`);
    }
    if (!isTree(part)) refuse(`${key}: must be a mapping, is ${JSON.stringify(part)}`);
  }
  return value as LabConfig;
}

export function readConfig(file: string): LabConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new LabError('LAB_USAGE', `config ${file}: ${(error as Error).message}`);
  }
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new LabError('LAB_USAGE', `config ${file}: ${(error as Error).message}`);
  }
  return checkConfig(value, `config ${file}`);
}

function clusterConfig({ minReplicas }: Place, config: LabConfig): Tree {
  const replicas = minReplicas > 0 ? { minReplicas } : {};
  const cluster: Tree = {
    pool: [poolPrefix],
    insidePrefixes: [insidePrefix],
    // Who shortens timeouts here means it; by themselves they are the defaults.
    allowBelowRfcFloors: true,
    ...replicas,
  };
  return deepMerge(cluster, config.cluster ?? {});
}

export type Place = { management: Management; storeUrl: string; minReplicas: number };

/** `{name}` in a text is the gateway's own name: what they must not share has a place for each. */
function named(tree: Tree, name: string): Tree {
  const entries = Object.entries(tree).map(([key, value]) => {
    if (typeof value === 'string') return [key, value.replaceAll('{name}', name)];
    return [key, isTree(value) ? named(value, name) : value];
  });
  return Object.fromEntries(entries) as Tree;
}

export function gatewayConfig(index: number, place: Place, config: LabConfig): Tree {
  const generated: Tree = {
    name: gatewayName(index),
    redis: { url: place.storeUrl },
    devices: { inside: 'inside', outside: 'outside' },
    http: { host: gatewayAddress(place.management, index), port: gatewayMetricsPort },
    peers: {
      host: gatewayAddress(place.management, index),
      port: gatewayPeerPort,
      secret: 'the lab keeps no secrets',
    },
    log: { level: 'info' },
    cluster: clusterConfig(place, config),
  };
  return named(deepMerge(generated, config.gateway ?? {}), gatewayName(index));
}

export function reaperConfig(port: number, place: Place, config: LabConfig): Tree {
  const generated: Tree = {
    redis: { url: place.storeUrl },
    http: { host: hostAddress(place.management), port },
    cluster: clusterConfig(place, config),
  };
  return deepMerge(generated, config.reaper ?? {});
}
