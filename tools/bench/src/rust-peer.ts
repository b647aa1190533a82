/** Builds the Rust peer, where there is a cargo and Debian's librust-*-dev packages. */
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, runProcess } from './process.ts';

const SOURCE = fileURLToPath(new URL('../peers/rust', import.meta.url));
/** Beside what else is installed: out of the repository, and gone with it. */
const BUILD = fileURLToPath(new URL('../../../node_modules/.cache/bench-rust', import.meta.url));
/** Where Debian's packages put their sources, as peers/rust/.cargo/config.toml says. */
const REGISTRY = '/usr/share/cargo/registry';
const CRATES = ['ahash', 'dashmap', 'tokio'];
const BUILD_LIMIT_MS = 600_000;

export type RustPeer =
  | { readonly kind: 'ready'; readonly command: Command }
  | { readonly kind: 'skipped'; readonly reason: string };

/** What keeps it from being built here; undefined when nothing does. */
export function missingForRust(
  env: NodeJS.ProcessEnv = process.env,
  registry = REGISTRY,
): string | undefined {
  const folders = (env.PATH ?? '').split(delimiter);
  if (!folders.some((folder) => existsSync(join(folder, 'cargo')))) return 'there is no cargo';
  const names = existsSync(registry) ? readdirSync(registry) : [];
  const missing = CRATES.filter((crate) => !names.some((name) => isVersionOf(name, crate)));
  if (missing.length === 0) return undefined;
  return `not installed: ${missing.map((crate) => `librust-${crate}-dev`).join(' ')}`;
}

/** A failed build is told, too, but is no failure of the benchmark. */
export async function prepareRustPeer(say: (line: string) => void): Promise<RustPeer> {
  const reason = missingForRust();
  if (reason !== undefined) return { kind: 'skipped', reason };
  const program = join(BUILD, 'target/release/flowstore-bench-peer');
  if (!existsSync(program)) say('building the Rust peer (cargo, offline; once)');
  try {
    // In a copy: cargo writes a lockfile beside the manifest, of this release's versions.
    mkdirSync(BUILD, { recursive: true });
    const isSource = (path: string) => !path.startsWith(join(SOURCE, 'target'));
    cpSync(SOURCE, BUILD, { recursive: true, preserveTimestamps: true, filter: isSource });
    const env = { ...process.env, CARGO_TARGET_DIR: join(BUILD, 'target') };
    const args = ['build', '--release', '--offline', '--quiet'];
    await runProcess({ program: 'cargo', args, cwd: BUILD, env }, BUILD_LIMIT_MS);
  } catch (error) {
    const lines = (error as Error).message.split('\n');
    const told = lines.find((line) => line.startsWith('error')) ?? lines[0];
    return { kind: 'skipped', reason: `its build failed: ${told}` };
  }
  return { kind: 'ready', command: { program, args: [] } };
}

/** "dashmap-5.4.0" is of "dashmap", "tokio-macros-1.7.0" is not of "tokio". */
function isVersionOf(name: string, crate: string): boolean {
  return name.startsWith(`${crate}-`) && /^\d/.test(name.slice(crate.length + 1));
}
