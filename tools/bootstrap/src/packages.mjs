// The system's tools that a task needs, and their installation where we may: as root, with apt.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runChild } from './spawn.mjs';
import { BootstrapError, say } from './words.mjs';

const redis = { programs: ['redis-server', 'valkey-server'], debian: 'redis-server' };
const ip = { programs: ['ip'], debian: 'iproute2' };
const ping = { programs: ['ping'], debian: 'iputils-ping' };
const iperf3 = { programs: ['iperf3'], debian: 'iperf3' };
/** Makes the certificates of the tests. */
const openssl = { programs: ['openssl'], debian: 'openssl' };
const ethtool = { programs: ['ethtool'], debian: 'ethtool' };
/** What a NAT is judged by in the lab. */
const judges = [
  { programs: ['curl'], debian: 'curl' },
  { programs: ['traceroute'], debian: 'traceroute' },
  { programs: ['tracepath'], debian: 'iputils-tracepath' },
  { programs: ['mtr'], debian: 'mtr-tiny' },
  { programs: ['dnsmasq'], debian: 'dnsmasq-base' },
  { programs: ['dig'], debian: 'bind9-dnsutils' },
  { programs: ['tcpdump'], debian: 'tcpdump' },
];
const docker = { programs: ['docker'], debian: 'docker.io' };
/** What the failover's rival is made of, and what measures both. */
const nft = { programs: ['nft'], debian: 'nftables' };
const conntrackd = { programs: ['conntrackd'], debian: 'conntrackd' };
const conntrack = { programs: ['conntrack'], debian: 'conntrack' };
const tcpdump = { programs: ['tcpdump'], debian: 'tcpdump' };
const mmdebstrap = { programs: ['mmdebstrap'], debian: 'mmdebstrap' };

/**
 * What the task needs here. Network namespaces take Linux and root: without them the demo runs
 * over an in-memory wire, the tests that need them skip, and the lab refuses by itself.
 */
export function neededTools(task, { linux, root, args = [] }) {
  if (task === 'bench' && args[0] === 'failover') {
    return linux && root ? [redis, ip, nft, conntrackd, conntrack, tcpdump] : [];
  }
  if (task === 'bench' || task === 'sim') return [];
  if (task === 'images') return [docker, mmdebstrap];
  const network = linux && root;
  // The lab refuses by itself.
  if (!network && (task === 'lab' || task === 'chaos')) return [];
  if (!network) return task === 'test' ? [redis, openssl] : [redis];
  const tested = [redis, openssl, ip, ping, iperf3, ethtool, ...judges];
  return task === 'test' ? tested : [redis, ip, ping];
}

/** The ones that are not there. A server that the environment names is as good as installed. */
export function missingTools(task, tools, env, has) {
  return tools.filter((tool) => {
    if (tool === redis && env.REDIS_SERVER_BIN) return false;
    // The lab starts a server of its own; a URL serves only what talks to a given one.
    if (tool === redis && env.REDIS_URL && task === 'demo') return false;
    return !tool.programs.some(has);
  });
}

export function isOnPath(program, env) {
  return (env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}

export function describeMissing(task, missing) {
  const programs = missing.map((tool) => tool.programs.join(' or ')).join(', ');
  const packages = missing.map((tool) => tool.debian).join(' ');
  const redisHint = missing.includes(redis)
    ? `, or name a Redis server in REDIS_SERVER_BIN${task === 'demo' ? ' or REDIS_URL' : ''}`
    : '';
  return (
    `npm run ${task} needs ${programs}, not found here; ` +
    `install it (Debian, as root: apt-get install ${packages})${redisHint}`
  );
}

const serviceRuns = (name, env) =>
  spawnSync('service', [name, 'status'], { env, stdio: 'ignore' }).status === 0;

/** We wanted programs. Debian's packages may also start system services, which nobody asked for. */
export async function stopNewServices(names, env, install) {
  const quiet = names.filter((name) => !serviceRuns(name, env));
  await install();
  for (const name of quiet.filter((each) => serviceRuns(each, env))) {
    say(`stopping the ${name} service that the installation started`);
    spawnSync('service', [name, 'stop'], { env, stdio: ['ignore', 2, 2] });
  }
}

export async function apt(args, env) {
  const quiet = { ...env, DEBIAN_FRONTEND: 'noninteractive' };
  // stdout belongs to the task.
  const options = { env: quiet, stdio: ['ignore', 2, 2] };
  const code = await runChild('apt-get', ['-qq', '-o', 'Dpkg::Use-Pty=0', ...args], options);
  if (code !== 0) throw new BootstrapError(`apt-get ${args.join(' ')} failed (exit code ${code})`);
}

async function install(missing, env) {
  const packages = missing.map((tool) => tool.debian);
  say(`installing ${packages.join(', ')} (apt-get)`);
  await stopNewServices(['redis-server', 'docker', 'containerd', 'conntrackd'], env, async () => {
    await apt(['update'], env);
    await apt(['install', '-y', '--no-install-recommends', ...packages], env);
  });
}

export async function ensureTools(task, env, args = []) {
  const isRoot = process.getuid?.() === 0;
  const tools = neededTools(task, {
    linux: process.platform === 'linux',
    root: isRoot,
    args,
  });
  const has = (program) => isOnPath(program, env);
  const missing = missingTools(task, tools, env, has);
  if (missing.length === 0) return;
  if (!isRoot || !has('apt-get')) throw new BootstrapError(describeMissing(task, missing));
  await install(missing, env);
  const left = missingTools(task, tools, env, has);
  if (left.length > 0) throw new BootstrapError(describeMissing(task, left));
}
