// docker compose, version 2: a plug-in of the docker command. Debian packages it since the release
// after bookworm; it runs on bookworm too, so the file is taken from there, and not installed.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BootstrapError, say } from './words.mjs';

const nextRelease = 'trixie';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const plugin = 'usr/libexec/docker/cli-plugins/docker-compose';

/** Where this machine gets its Debian from, by `apt-get indextargets`: URI and release a line. */
export function mirrorOf(targets, codename) {
  const lines = targets.split('\n').map((line) => line.split('\t'));
  return lines.find(([, release]) => release === codename)?.[0];
}

/** The folder for DOCKER_CONFIG that has the plug-in; undefined where docker has one already. */
export async function ensureCompose(cache, env) {
  const works = (extra) =>
    spawnSync('docker', ['compose', 'version'], { env: { ...env, ...extra }, stdio: 'ignore' })
      .status === 0;
  if (works({})) return undefined;
  const config = join(cache, 'docker-config');
  const file = join(config, 'cli-plugins/docker-compose');
  if (!existsSync(file)) fetchPlugin(file, env);
  if (works({ DOCKER_CONFIG: config })) return config;
  throw new BootstrapError('docker compose (version 2) does not run here');
}

function fetchPlugin(file, env) {
  say('fetching docker compose (apt-get download)');
  const folder = mkdtempSync(join(tmpdir(), 'flowstore-compose-'));
  try {
    const run = (program, args) => {
      const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, env });
      if (status === 0) return stdout.toString();
      throw new BootstrapError(`${program} ${args.at(-1)}: ${stderr?.toString().trim()}`);
    };
    const format = '$(REPO_URI)\t$(RELEASE)';
    const targets = run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
    const codename = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
    const mirror = mirrorOf(targets, codename);
    if (mirror === undefined) throw new BootstrapError('this machine has no Debian sources');
    const options = aptAside(folder, `deb [signed-by=${keyring}] ${mirror} ${nextRelease} main\n`);
    run('apt-get', [...options, 'update']);
    run('apt-get', [...options, 'download', 'docker-compose']);
    const [deb] = readdirSync(folder).filter((name) => name.endsWith('.deb'));
    run('dpkg-deb', ['-x', deb, 'x']);
    mkdirSync(join(file, '..'), { recursive: true });
    copyFileSync(join(folder, 'x', plugin), file);
    chmodSync(file, 0o755);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Options for an apt with sources and lists of its own: the machine's stay as they are. */
function aptAside(folder, sources) {
  for (const name of ['lists/partial', 'archives/partial']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  writeFileSync(join(folder, 'sources.list'), sources);
  const settings = {
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::Cache': folder,
    'APT::Sandbox::User': 'root',
  };
  return [
    '-qq',
    ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ];
}
