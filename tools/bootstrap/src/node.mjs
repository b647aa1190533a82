// The installed packages, and the Node that runs the task: the pinned one comes with them.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { BootstrapError } from './words.mjs';

// The first that runs the sources' TypeScript as it is, and all the tools.
export const nodeMin = [22, 22];

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Whether what is installed is what the lockfile names; packages of other platforms aside. */
export function sameVersions(wanted, installed) {
  return Object.entries(wanted).every(
    ([path, { version, link, optional }]) =>
      path === '' || link || optional || installed[path]?.version === version,
  );
}

/** Why `npm ci` has to run; undefined when it hasn't. */
export function installReason(root) {
  const lockFile = join(root, 'package-lock.json');
  const installedFile = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return 'node_modules is missing';
  if (statSync(installedFile).mtimeMs >= statSync(lockFile).mtimeMs) return undefined;
  // A checkout or a merge may touch the lockfile without changing what has to be installed, and
  // npm ci would pull node_modules from under whatever runs from it.
  const wanted = readPackages(lockFile);
  const installed = readPackages(installedFile);
  if (wanted && installed && sameVersions(wanted, installed)) return undefined;
  return 'node_modules is older than package-lock.json';
}

export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1]);
}

/** The pinned Node where it runs, else our own where that is new enough. */
export function chooseNode(root, own = { path: process.execPath, version: process.version }) {
  const pinned = join(root, 'node_modules/.bin/node');
  // It may be there and not run: another C library, a folder copied from another machine.
  if (existsSync(pinned) && spawnSync(pinned, ['--version']).status === 0) return pinned;
  if (isNewEnough(own.version)) return own.path;
  throw new BootstrapError(
    `this needs Node >= ${nodeMin.join('.')}, and there is no pinned one for this platform; ` +
      `this is Node ${own.version}: install a newer one (https://nodejs.org)`,
  );
}

/** The environment of a task: pinned tools first, the system's administration tools last. */
export function taskEnvironment(root, env = process.env) {
  const path = [join(root, 'node_modules/.bin'), env.PATH, '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return { ...env, PATH: path.filter(Boolean).join(delimiter) };
}
