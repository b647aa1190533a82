// Where things are: the repository relative to this file, the lab's state in /run.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LabError } from './errors.ts';

export const repositoryFolder = join(dirname(fileURLToPath(import.meta.url)), '../../..');
export const binFolder = join(repositoryFolder, 'node_modules/.bin');

export const stateFolder = '/run/flowstore-lab';
export const stateFile = join(stateFolder, 'state.json');
export const storeFolder = join(stateFolder, 'store');
export const logFile = (name: string): string => join(stateFolder, 'logs', `${name}.log`);
export const configFile = (name: string): string => join(stateFolder, 'config', `${name}.yaml`);

export const gatewayMain = join(repositoryFolder, 'apps/gateway/src/main.ts');
export const reaperMain = join(repositoryFolder, 'apps/reaper/src/main.ts');
export const trafficMain = (program: string): string =>
  join(repositoryFolder, 'tools/lab/src/traffic', `${program}.ts`);

/** The Node that runs the sources: the pinned one, else the one that runs us. */
export function nodeBinary(): string {
  const pinned = join(binFolder, 'node');
  return existsSync(pinned) ? pinned : process.execPath;
}

/** PATH for what the lab starts: the pinned tools first, the system's administration tools last. */
export function labEnvironment(): NodeJS.ProcessEnv {
  const path = [binFolder, process.env.PATH ?? '', '/usr/sbin', '/sbin'].join(':');
  return { ...process.env, PATH: path };
}

/**
 * The same for gateways and reapers, which take overrides from variables named FLOWSTORE_*: those
 * of whoever runs the lab must not reach past its config files, to another store for example.
 */
export function appEnvironment(): NodeJS.ProcessEnv {
  const all = Object.entries(labEnvironment());
  return Object.fromEntries(all.filter(([name]) => !name.startsWith('FLOWSTORE_')));
}

export function findOnPath(name: string): string | undefined {
  const folders = (labEnvironment().PATH as string).split(':').filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}

/** What asks a server a question: it comes with the server. */
export function storeClient(): string {
  const found = findOnPath('redis-cli') ?? findOnPath('valkey-cli');
  if (found) return found;
  throw new LabError(
    'LAB_REQUIREMENT',
    'a store of several servers needs redis-cli (Debian: apt-get install redis-tools)',
  );
}

/** REDIS_SERVER_BIN, else redis-server, else valkey-server. */
export function storeBinary(): string {
  const named = process.env.REDIS_SERVER_BIN;
  const found = named || findOnPath('redis-server') || findOnPath('valkey-server');
  if (found) return found;
  throw new LabError(
    'LAB_REQUIREMENT',
    'the lab needs a Redis server: install redis-server (Debian: apt-get install redis-server), ' +
      'or name one in REDIS_SERVER_BIN',
  );
}
