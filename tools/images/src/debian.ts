/**
 * A small Debian as a tar file, made of the packages that this machine installs from: its own
 * sources, whatever they are called, so that no host name stands here.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';

/** What Node, the stores, the gateway's image, its announcer and the routers take. */
export const PACKAGES = [
  'bird2',
  'frr',
  'iproute2',
  'iputils-ping',
  'libcap2-bin',
  'libstdc++6',
  'procps',
  'redis-sentinel',
  'redis-server',
] as const;
/** The release after this machine's, for its newer stores, its Prometheus and its kubectl. */
export const NEXT_SUITE = 'trixie';
const NEXT_PACKAGES = ['kubernetes-client', 'prometheus', 'redis-server', 'valkey-server'];
const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*'];

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** "deb [signed-by=..] URI bookworm main", a line each: what apt-get reads itself. */
export function sourceLines(targets: string): string[] {
  const lines = targets.split('\n').flatMap((line) => {
    const [uri, release, component] = line.split('\t');
    if (!uri || !release || !component) return [];
    return [`deb [signed-by=${KEYRING}] ${uri} ${release} ${component}`];
  });
  return [...new Set(lines)];
}

/** The code name of this machine's Debian: "bookworm". */
export function codename(osRelease: string): string {
  const name = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(osRelease)?.[1];
  if (!/^ID="?debian"?$/m.test(osRelease) || name === undefined) {
    throw new Error('images are made of Debian packages, on Debian');
  }
  return name;
}

/** Of this machine, those sources that are Debian's own release and its updates. */
async function debianSources(suite: string): Promise<string[]> {
  const format = '$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)';
  const args = ['indextargets', '--format', format, 'Created-By: Packages'];
  const lines = sourceLines(await run('apt-get', args));
  return lines.filter((line) => new RegExp(` ${suite}(-updates|-security)? main$`).test(line));
}

const thisSuite = () => codename(readFileSync('/etc/os-release', 'utf8'));

/** This machine's release, with what Node, the gateway's image and the lab's routers take. */
export async function debianTar(place: TarPlace): Promise<string> {
  const suite = thisSuite();
  const hooks = ['--customize-hook=chroot "$1" useradd --create-home node'];
  return makeTar(place, { suite, packages: PACKAGES, hooks, sources: () => debianSources(suite) });
}

/** The next release, from where this one comes from. */
export async function nextTar(place: TarPlace): Promise<string> {
  const suite = thisSuite();
  const sources = async () => {
    const [main = ''] = (await debianSources(suite)).filter((line) => line.includes(` ${suite} `));
    return [main.replace(` ${suite} `, ` ${NEXT_SUITE} `)];
  };
  return makeTar(place, { suite: NEXT_SUITE, packages: NEXT_PACKAGES, hooks: [], sources });
}

export interface TarPlace {
  /** Where tars are kept. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

interface Recipe {
  readonly suite: string;
  readonly packages: readonly string[];
  readonly hooks: readonly string[];
  readonly sources: () => Promise<string[]>;
}

/** Makes the tar, or answers the one that was made of the same. */
async function makeTar({ folder, say }: TarPlace, recipe: Recipe): Promise<string> {
  const { suite, packages, hooks } = recipe;
  const text = JSON.stringify([suite, packages, hooks, LEFT_OUT]);
  const name = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const file = join(folder, `${suite}-${name}.tar`);
  if (existsSync(file)) return file;
  say(`making a ${suite} of Debian packages (mmdebstrap, a minute or two)`);
  mkdirSync(folder, { recursive: true });
  const unfinished = join(folder, `${process.pid}-${name}.tar`);
  const options = [
    '--quiet',
    '--variant=minbase',
    `--include=${packages.join(',')}`,
    ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...hooks,
  ];
  try {
    const stdin = `${(await recipe.sources()).join('\n')}\n`;
    await run('mmdebstrap', [...options, suite, unfinished, '-'], { stdin });
    renameSync(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
  return file;
}
