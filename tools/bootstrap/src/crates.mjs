// The Rust peer of `npm run bench -- table` is built from Debian's packages of its crates, offline.
// Without them it is skipped, so what goes wrong here is told and stops nothing.
import { existsSync, readdirSync } from 'node:fs';
import { apt, isOnPath } from './packages.mjs';
import { BootstrapError, say } from './words.mjs';

const registry = '/usr/share/cargo/registry';
const crates = ['dashmap', 'tokio', 'ahash'];

const names = () => (existsSync(registry) ? readdirSync(registry) : []);

/** Debian's packages of the crates whose sources are not there. */
export function missingCrates(installed) {
  return crates
    .filter((crate) => !installed.some((name) => new RegExp(`^${crate}-\\d`).test(name)))
    .map((crate) => `librust-${crate}-dev`);
}

/** Whether we should install them: where they are of use and we may. */
export function mayInstall(args, { root, has }) {
  const asksHelp = args.includes('--help') || args.includes('-h');
  return args[0] === 'table' && !asksHelp && root && has('cargo') && has('apt-get');
}

export async function ensureCrates(args, env) {
  const root = process.getuid?.() === 0;
  if (!mayInstall(args, { root, has: (program) => isOnPath(program, env) })) return;
  const missing = missingCrates(names());
  if (missing.length === 0) return;
  say(`installing ${missing.join(', ')} for the Rust peer (apt-get)`);
  try {
    await apt(['update'], env);
    await apt(['install', '-y', '--no-install-recommends', ...missing], env);
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    say(`${error.message}: the benchmark goes on without the Rust peer`);
  }
}
