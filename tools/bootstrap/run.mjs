// node tools/bootstrap/run.mjs bench|chaos|demo|images|lab|sim|test [args...]
//
// Sets a fresh machine up for the task, says what it does on stderr, and runs it. Plain JavaScript
// for Node >= 18 without any dependency: nothing is installed yet when this starts.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureCrates } from './src/crates.mjs';
import { chooseNode, installReason, taskEnvironment } from './src/node.mjs';
import { ensureTools } from './src/packages.mjs';
import { runChild } from './src/spawn.mjs';
import { BootstrapError, say } from './src/words.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

const tasks = {
  bench: 'tools/bench/src/main.ts',
  chaos: 'tools/chaos/src/main.ts',
  demo: 'tools/demo/src/main.ts',
  images: 'tools/images/src/main.ts',
  lab: 'tools/lab/src/main.ts',
  sim: 'tools/sim/src/main.ts',
  test: 'tools/bootstrap/test.mjs',
};

async function ensureInstalled() {
  const reason = installReason(root);
  if (reason === undefined) return;
  say(`${reason}: running npm ci`);
  // Warnings about engines name the Node that runs npm; what runs the task is the pinned one.
  const ci = ['ci', '--loglevel=error', '--update-notifier=false'];
  // npm tells its scripts where it is; else it is on PATH.
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm, ...ci]] : ['npm', ci];
  // stdout belongs to the task: `npm run lab -- status --json` must print JSON and nothing else.
  const code = await runChild(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (code !== 0) throw new BootstrapError(`npm ci failed (exit code ${code})`);
}

async function main() {
  const [task, ...args] = process.argv.slice(2);
  if (task === undefined || !Object.hasOwn(tasks, task)) {
    throw new BootstrapError(`usage: run.mjs ${Object.keys(tasks).join('|')} [args...]`);
  }
  await ensureInstalled();
  const node = chooseNode(root);
  const env = taskEnvironment(root);
  if (!args.includes('--containers')) await ensureTools(task, env, args);
  if (task === 'bench') await ensureCrates(args, env);
  return runChild(node, [join(root, tasks[task]), ...args], { cwd: process.cwd(), env });
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof BootstrapError)) throw error;
  say(error.message);
  process.exitCode = 2;
}
