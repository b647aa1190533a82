/**
 * A small Debian as a tar file, made of the packages that this machine installs from: its own
 * sources, whatever they are called, so that no host name stands here.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';

/** What Node, the stores, the gateway's image and the lab's routers take. */
export const PACKAGES = [
  'iproute2',
  'iputils-ping',
  'libcap2-bin',
  'libstdc++6',
  'redis-server',
] as const;
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

/** Makes the tar, or answers the one that was made of the same; `say` tells which. */
export async function debianTar(folder: string, say: (line: string) => void): Promise<string> {
  const suite = codename(readFileSync('/etc/os-release', 'utf8'));
  const recipe = JSON.stringify([suite, PACKAGES, LEFT_OUT]);
  const name = createHash('sha256').update(recipe).digest('hex').slice(0, 12);
  const file = join(folder, `${suite}-${name}.tar`);
  if (existsSync(file)) return file;
  say(`making a ${suite} of Debian packages (mmdebstrap, a minute or two)`);
  mkdirSync(folder, { recursive: true });
  const unfinished = join(folder, `${process.pid}.tar`);
  const options = [
    '--quiet',
    '--variant=minbase',
    `--include=${PACKAGES.join(',')}`,
    ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
    '--customize-hook=chroot "$1" useradd --create-home node',
  ];
  try {
    const stdin = `${(await debianSources(suite)).join('\n')}\n`;
    await run('mmdebstrap', [...options, suite, unfinished, '-'], { stdin });
    renameSync(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
  return file;
}
