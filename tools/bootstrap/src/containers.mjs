// The tests in containers: an engine, the base images where none can be pulled, vitest, and away
// with all of it.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from './engine.mjs';
import { chooseNode } from './node.mjs';
import { runChild } from './spawn.mjs';
import { BootstrapError, say } from './words.mjs';

/** `export NAME='VALUE'` lines, as tools/images prints them, as an object. */
export function exportedVariables(text) {
  return Object.fromEntries(
    [...text.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name, value]) => [name, value]),
  );
}

async function makeImages(root, env) {
  const folder = mkdtempSync(join(tmpdir(), 'flowstore-images-'));
  try {
    const said = join(folder, 'said');
    const stdio = ['ignore', openSync(said, 'w'), 2];
    const args = [join(root, 'tools/images/src/main.ts')];
    const code = await runChild(chooseNode(root), args, { cwd: root, env, stdio });
    closeSync(stdio[1]);
    if (code === 0) return exportedVariables(readFileSync(said, 'utf8'));
    throw new BootstrapError(`the base images could not be made (exit code ${code})`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Which image is built for which service of docker-compose.yml. */
const built = { gateway: 'gateway', reaper: 'reaper', lab: 'lan' };

/** The topologies' images, built once for all of them. */
async function buildImages(root, env) {
  say('building the images (docker compose build)');
  const file = ['compose', '--file', join(root, 'docker-compose.yml')];
  const args = [...file, 'build', '--quiet', ...Object.values(built)];
  const code = await runChild('docker', args, { cwd: root, env, stdio: ['ignore', 2, 2] });
  if (code !== 0) throw new BootstrapError(`the images could not be built (exit code ${code})`);
}

/** Of an engine that others use, too, what was built goes again. */
async function removeImages(tag, env) {
  const names = Object.keys(built).map((name) => `flowstore/${name}:${tag}`);
  await runChild('docker', ['image', 'rm', ...names], { env, stdio: 'ignore' });
}

/** Runs vitest so where the containers are. Answers its exit code, or the reason why it did not. */
export async function runInContainers(root, env, args, { limitMs, onSignal } = {}) {
  const engine = await openEngine(root, env);
  if (engine.reason !== undefined) return { reason: engine.reason };
  const tag = `flowstore-test-${process.pid}`;
  try {
    const images = engine.isPrivate ? await makeImages(root, engine.env) : {};
    const own = { ...engine.env, ...images, TESTCONTAINERS_RYUK_DISABLED: 'true' };
    await buildImages(root, { ...own, TAG: tag });
    const vitest = join(root, 'node_modules/.bin/vitest');
    const [command, ...rest] = [...engine.prefix, vitest, ...args];
    const tests = { cwd: root, env: { ...own, IMAGES_TAG: tag }, limitMs, onSignal };
    return { code: await runChild(command, rest, tests) };
  } finally {
    if (!engine.isPrivate) await removeImages(tag, engine.env);
    await engine.stop();
  }
}
