// The tests in containers: an engine, the base images where none can be pulled, vitest, and away
// with all of it.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { openEngine } from './engine.mjs';
import { chooseNode } from './node.mjs';
import { runChild } from './spawn.mjs';
import { BootstrapError } from './words.mjs';

/** `export NAME='VALUE'` lines, as tools/images prints them, as an object. */
export function exportedVariables(text) {
  return Object.fromEntries(
    [...text.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name, value]) => [name, value]),
  );
}

function makeImages(root, env) {
  const args = [join(root, 'tools/images/src/main.ts')];
  return new Promise((resolve, reject) => {
    const stdio = ['ignore', 'pipe', 2];
    const child = spawn(chooseNode(root), args, { cwd: root, env, stdio });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(exportedVariables(out));
      else reject(new BootstrapError(`the base images could not be made (exit code ${code})`));
    });
  });
}

/** Runs vitest so where the containers are. Answers its exit code, or the reason why it did not. */
export async function runInContainers(root, env, args, { limitMs, onSignal } = {}) {
  const engine = await openEngine(root, env);
  if (engine.reason !== undefined) return { reason: engine.reason };
  try {
    const images = engine.isPrivate ? await makeImages(root, engine.env) : {};
    const own = { ...engine.env, ...images, TESTCONTAINERS_RYUK_DISABLED: 'true' };
    const vitest = join(root, 'node_modules/.bin/vitest');
    const [command, ...rest] = [...engine.prefix, vitest, ...args];
    const code = await runChild(command, rest, { cwd: root, env: own, limitMs, onSignal });
    return { code };
  } finally {
    await engine.stop();
  }
}
