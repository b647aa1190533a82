/**
 * The base images of the Dockerfile and of docker-compose.yml, for where none can be pulled.
 *
 * ```
 *   Debian packages --mmdebstrap--> tar --docker import--> flowstore/debian  (Redis is in it)
 *   + the pinned Node ------------------------------------> flowstore/node    NODE_IMAGE
 *   + npm and what the lockfile names, cached ------------> flowstore/npm     NPM_IMAGE
 *
 *   the next Debian release's: a newer Redis and Valkey --> flowstore/next    STORE_SERVERS
 *                              Prometheus                                     PROMETHEUS_IMAGE
 *                              kubectl                                        KUBECTL_IMAGE
 * ```
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { debianTar, nextTar } from './debian.ts';
import { run } from './run.ts';

export const DEBIAN = 'flowstore/debian:local';
export const NODE = 'flowstore/node:local';
export const NPM = 'flowstore/npm:local';
export const NEXT = 'flowstore/next:local';

/** What docker-compose.yml, the Dockerfile and the tests read, naming these images. */
export const IMAGE_VARIABLES = {
  NODE_IMAGE: NODE,
  NPM_IMAGE: NPM,
  REDIS_IMAGE: DEBIAN,
  PROMETHEUS_IMAGE: NEXT,
  KUBECTL_IMAGE: NEXT,
  // This release's own Redis is the one that all other tests have.
  STORE_SERVERS: `redis-server@${NEXT} valkey-server@${NEXT}`,
} as const;

const PRODUCTION = [
  'ci',
  '--omit=dev',
  '--workspace=@flowstore/gateway',
  '--workspace=@flowstore/reaper',
  '--include-workspace-root=false',
];

export interface Place {
  /** The repository. */
  readonly root: string;
  /** Where what takes long is kept from run to run. */
  readonly cache: string;
  readonly say: (line: string) => void;
}

/** Makes all of them in the engine that DOCKER_HOST names. */
export async function makeImages(place: Place): Promise<void> {
  await importTars(place);
  await inFolder(async (folder) => {
    cpSync(realpathSync(join(place.root, 'node_modules/.bin/node')), join(folder, 'node'));
    await build(NODE, folder, [`FROM ${DEBIAN}`, 'COPY node /usr/local/bin/node']);
  });
  await inFolder(async (folder) => {
    await gatherNpm(place, folder);
    await build(NPM, folder, [
      `FROM ${NODE}`,
      'COPY npm /usr/local/lib/npm',
      'COPY cache /root/.npm',
      'COPY npmrc /root/.npmrc',
      'RUN ln -s ../lib/npm/bin/npm-cli.js /usr/local/bin/npm',
    ]);
  });
}

async function importTars({ cache: folder, say }: Place): Promise<void> {
  const place = { folder, say };
  const [debian, next] = await Promise.all([debianTar(place), nextTar(place)]);
  for (const [tag, tar] of Object.entries({ [DEBIAN]: debian, [NEXT]: next })) {
    say(`importing ${tag}`);
    await run('docker', ['import', tar, tag]);
  }
}

/** npm itself, and a cache with all that `npm ci` of the Dockerfile will ask for. */
async function gatherNpm({ root, cache, say }: Place, folder: string): Promise<void> {
  const npmCache = join(cache, 'npm');
  const trial = join(folder, 'trial');
  mkdirSync(trial);
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) {
    cpSync(join(root, file), join(trial, file));
  }
  for (const kind of ['packages', 'apps', 'tools']) copyManifests(root, kind, trial);
  say('fetching the production packages (npm ci)');
  const npm = npmFolder();
  const cli = join(npm, 'bin/npm-cli.js');
  const settings = ['--prefer-offline', '--ignore-scripts', '--cache', npmCache];
  await run(process.execPath, [cli, ...PRODUCTION, ...settings], { cwd: trial });
  const asked = [cli, 'config', 'get', 'registry'];
  const registry = (await run(process.execPath, asked, { cwd: trial })).trim();
  rmSync(trial, { recursive: true });
  cpSync(npm, join(folder, 'npm'), { recursive: true });
  cpSync(npmCache, join(folder, 'cache'), { recursive: true });
  writeFileSync(join(folder, 'npmrc'), `registry=${registry}\noffline=true\n`);
}

function copyManifests(root: string, kind: string, to: string): void {
  const filter = (source: string) =>
    !/\/(node_modules|src|dist|peers)$/.test(source) &&
    (!/\.\w+$/.test(source) || source.endsWith('package.json'));
  cpSync(join(root, kind), join(to, kind), { recursive: true, filter });
}

/** The npm that runs us, else the one on PATH. */
function npmFolder(): string {
  const running = process.env.npm_execpath;
  const cli = running?.endsWith('npm-cli.js') ? running : onPath('npm');
  return dirname(dirname(realpathSync(cli)));
}

function onPath(program: string): string {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    try {
      return realpathSync(join(folder, program));
    } catch {
      // Not in this one.
    }
  }
  throw new Error(`${program} is not on PATH`);
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'flowstore-image-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// No BuildKit: the engines that Debian brings have it only with a plug-in.
async function build(tag: string, folder: string, lines: readonly string[]): Promise<void> {
  writeFileSync(join(folder, 'Dockerfile'), `${lines.join('\n')}\n`);
  const env = { ...process.env, DOCKER_BUILDKIT: '0' };
  await run('docker', ['build', '--quiet', '--network', 'none', '--tag', tag, folder], { env });
}
