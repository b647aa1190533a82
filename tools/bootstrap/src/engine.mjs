// A Docker engine for the tests in containers: the one that is there, else, as root on Debian, a
// private one that nobody else can see. It lives in namespaces of its own:
//
//   our process -- unshare (dies with us) -- tini -- dockerd -- containerd -- containers
//                     network: its bridges, routes and iptables are not the machine's
//                     processes: ending tini ends them all, whatever state they are in
//                     mounts: go with it
//
// So nothing of it is left, and the machine's own network is not touched, however a run ends. The
// price: it reaches no network. Whoever talks to its containers enters its namespace (`prefix`).
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureCompose } from './compose-plugin.mjs';
import { apt, isOnPath, stopNewServices } from './packages.mjs';
import { BootstrapError, say } from './words.mjs';

const parent = '/var/lib';
const readyMsMax = 60_000;
/** All images and containers of the tests take some 2 GB. */
const dataBytesMax = 4 * 2 ** 30;
const needed = [
  { program: 'dockerd', debian: 'docker.io' },
  { program: 'mmdebstrap', debian: 'mmdebstrap' },
  { program: 'unshare', debian: 'util-linux' },
  { program: 'ip', debian: 'iproute2' },
];
const servicesOfDebian = ['docker', 'containerd'];
const weights = [
  ['/sys/fs/cgroup/cpu', 'cpu.shares', 1024],
  ['/sys/fs/cgroup', 'cpu.weight', 100],
];

const answers = (env, ...args) =>
  spawnSync('docker', args, { env, stdio: 'ignore', timeout: 20_000 }).status === 0;

/** What can be had here: 'theirs', 'private', or the reason why none. */
export function whichEngine({ linux, root, apt, theirs, compose }) {
  if (theirs && compose) return { kind: 'theirs' };
  if (linux && root && apt) return { kind: 'private' };
  if (theirs) return { kind: 'none', reason: 'docker has no compose plug-in (version 2)' };
  return {
    kind: 'none',
    reason: 'no Docker engine answers, and only root on Debian may start one',
  };
}

/**
 * `env` names it to docker and testcontainers; `prefix` goes in front of commands that talk to its
 * containers; `isPrivate`: it can pull nothing.
 */
export async function openEngine(root, env) {
  const which = whichEngine({
    linux: process.platform === 'linux',
    root: process.getuid?.() === 0,
    apt: isOnPath('apt-get', env),
    theirs: isOnPath('docker', env) && answers(env, 'version'),
    compose: isOnPath('docker', env) && answers(env, 'compose', 'version'),
  });
  if (which.kind === 'none') return { reason: which.reason };
  if (which.kind === 'theirs') return { env, prefix: [], isPrivate: false, stop: async () => {} };
  try {
    await install(env);
    const config = await ensureCompose(join(root, 'node_modules/.cache/flowstore-engine'), env);
    return await start({ ...env, ...(config === undefined ? {} : { DOCKER_CONFIG: config }) });
  } catch (error) {
    // No packages to be had, or a kernel or a container around us that allows no engine.
    if (error instanceof BootstrapError) return { reason: error.message };
    throw error;
  }
}

async function install(env) {
  const missing = needed.filter(({ program }) => !isOnPath(program, env));
  if (missing.length === 0) return;
  const packages = missing.map(({ debian }) => debian);
  say(`installing ${packages.join(', ')} for the tests in containers (apt-get)`);
  await stopNewServices(servicesOfDebian, env, async () => {
    await apt(['update'], env);
    await apt(['install', '-y', '--no-install-recommends', ...packages], env);
  });
}

const nameOf = (pid) => `flowstore-engine-${pid}`;
const folderOf = (pid) => join(parent, nameOf(pid));

// Of a run that was killed; its processes went with it.
function removeLeftovers() {
  for (const name of readdirSync(parent)) {
    const pid = /^flowstore-engine-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(join('/proc', pid))) remove(pid);
  }
}

function remove(pid) {
  rmSync(folderOf(pid), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  // Empty by now; a control group goes by rmdir alone, the innermost first.
  const find = ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*/${nameOf(pid)}*`];
  spawnSync('find', [...find, '-exec', 'rmdir', '{}', ';'], { stdio: 'ignore' });
}

/**
 * Its images and containers live in memory where there is plenty: some 50,000 small files, which
 * take a busy disk a minute to make and one to remove, and which are gone with the namespace.
 */
export function dataMount(folder, freeBytes) {
  if (freeBytes < 2 * dataBytesMax) return [];
  return [`mkdir -p ${folder} && mount -t tmpfs -o size=${dataBytesMax} tmpfs ${folder}`];
}

function daemonScript(folder) {
  const data = join(folder, 'data');
  const options = {
    'data-root': data,
    'exec-root': join(folder, 'exec'),
    pidfile: join(folder, 'pid'),
    host: `unix://${join(folder, 'docker.sock')}`,
    // testcontainers wants the default bridge; of the ranges for benchmarks, like all of ours.
    bip: '198.19.255.1/24',
    iptables: false,
    ip6tables: false,
    'ip-forward': false,
    'ip-masq': false,
    'exec-opt': 'native.cgroupdriver=cgroupfs',
    'cgroup-parent': `/${nameOf(process.pid)}`,
    'log-level': 'warn',
  };
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  return [
    'set -e',
    'ip link set lo up',
    // It writes a key there, which nobody needs.
    'mkdir -p /etc/docker && mount -t tmpfs tmpfs /etc/docker',
    ...dataMount(data, freemem()),
    `exec dockerd ${args.join(' ')}`,
  ].join('\n');
}

/**
 * All containers are in one control group, whose share of a busy machine would be one process's:
 * twenty of them waited for each other until BFD took its neighbours for dead. So it gets twenty.
 */
function weighContainers(pid) {
  for (const [parent, file, one] of weights) {
    // One of the two is a hierarchy that deals out CPU here: version 1, or version 2.
    if (!existsSync(join(parent, 'cgroup.procs'))) continue;
    const group = join(parent, nameOf(pid));
    mkdirSync(group, { recursive: true });
    if (existsSync(join(group, file))) writeFileSync(join(group, file), `${20 * one}`);
  }
}

async function start(env) {
  removeLeftovers();
  const folder = folderOf(process.pid);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const log = join(folder, 'log');
  const said = openSync(log, 'w');
  const script = daemonScript(folder);
  const namespaces = ['--net', '--pid', '--mount', '--mount-proc', '--fork', '--kill-child=KILL'];
  // It dies with the thread that starts it: this one, which lives as long as we do.
  const args = [
    '--pdeathsig',
    'KILL',
    'unshare',
    ...namespaces,
    'tini',
    '-s',
    '--',
    'sh',
    '-c',
    script,
  ];
  const child = spawn('setpriv', args, { env, stdio: ['ignore', said, said], detached: true });
  closeSync(said);
  const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    remove(process.pid);
  };
  const host = `unix://${join(folder, 'docker.sock')}`;
  const own = { ...env, DOCKER_HOST: host };
  say('starting a private Docker engine');
  try {
    await ready(own, child, log);
    weighContainers(process.pid);
  } catch (error) {
    await stop();
    throw error;
  }
  const [init] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ');
  return { env: own, prefix: ['nsenter', `--net=/proc/${init}/ns/net`], isPrivate: true, stop };
}

async function ready(env, child, log) {
  const end = performance.now() + readyMsMax;
  while (!answers(env, 'version')) {
    const dead = child.exitCode !== null || child.signalCode !== null;
    if (dead || performance.now() > end) {
      const said = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-10).join('\n');
      throw new BootstrapError(`the private Docker engine does not start:\n${said}`);
    }
    await delay(200);
  }
}
