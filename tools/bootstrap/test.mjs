// npm test [-- FILTER]: every check there is, fast ones first. A stage that fails stops no other.
// npm run test:compose [-- FILTER]: the tests in containers alone.
// What failed is said again at the end. The last line on stdout is the sum: `N passed, N failed`,
// and `, N skipped` if any were.
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInContainers } from './src/containers.mjs';
import { taskEnvironment } from './src/node.mjs';
import { runChild } from './src/spawn.mjs';
import {
  add,
  countCheck,
  countVitest,
  exitCode,
  readReport,
  summaryLine,
  vitestStages,
  whatFailed,
  zero,
} from './src/stages.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const env = taskEnvironment(root);
const stageMsMax = 20 * 60 * 1_000;
const filesOf = (kind) =>
  globSync(`{packages,apps,tools}/*/src/**/*.${kind}.test.ts`, { cwd: root }).sort();

const failures = [];
let interrupted = false;
const onSignal = () => {
  interrupted = true;
};

async function stage(name, what, work) {
  console.log(`\n== ${name}: ${what}`);
  const start = performance.now();
  const counts = await work();
  const seconds = ((performance.now() - start) / 1_000).toFixed(1);
  console.log(`== ${name}: ${summaryLine(counts)} in ${seconds} s`);
  return counts;
}

const program = (name) => join(root, 'node_modules/.bin', name);
const run = (name, args) =>
  runChild(program(name), args, { cwd: root, env, limitMs: stageMsMax, onSignal });

const check = (name, tool, args) => () =>
  stage(name, `${tool} ${args.join(' ')}`, async () => {
    const counts = countCheck(await run(tool, args));
    if (counts.failed > 0) failures.push(`FAILED ${name}: ${tool} ${args.join(' ')}`);
    return counts;
  });

const tests = (reports) => (each, at) => () =>
  stage(each.name, `vitest ${each.args.join(' ')}`, async () => {
    const file = join(reports, `${at}.json`);
    const args = [...each.args, '--reporter=default', '--reporter=json'];
    args.push(`--outputFile.json=${file}`);
    if (each.inContainers) return inContainers(each.name, args, file);
    return verdict(each.name, file, await run('vitest', args));
  });

function verdict(name, file, code) {
  const report = readReport(file);
  const counts = countVitest(report, code);
  const failed = whatFailed(report);
  if (counts.failed > 0 && failed.length === 0) failed.push(`FAILED ${name}: exit code ${code}`);
  failures.push(...failed);
  return counts;
}

/** Where no engine can be had, one is counted as skipped, and the reason said. */
async function inContainers(name, args, file) {
  try {
    const { code, reason } = await runInContainers(root, env, args, {
      limitMs: stageMsMax,
      onSignal,
    });
    if (reason === undefined) return verdict(name, file, code);
    console.log(`skipped: ${reason}`);
    return { ...zero, skipped: 1 };
  } catch (error) {
    failures.push(`FAILED ${name}: ${error.message}`);
    return { ...zero, failed: 1 };
  }
}

async function main() {
  const reports = mkdtempSync(join(tmpdir(), 'flowstore-test-'));
  const [first, ...others] = process.argv.slice(2);
  const onlyContainers = first === '--containers';
  const args = onlyContainers ? others : process.argv.slice(2);
  const files = { netns: filesOf('netns'), compose: filesOf('compose') };
  const vitest = vitestStages(args, files)
    .filter(({ inContainers }) => inContainers || !onlyContainers)
    .map(tests(reports));
  const checks = [check('lint', 'biome', ['check', '.']), check('types', 'tsc', ['-b'])];
  const stages = [...(onlyContainers ? [] : checks), ...vitest];
  let sum = zero;
  try {
    for (const next of stages) if (!interrupted) sum = add(sum, await next());
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
  for (const failure of failures) console.log(`\n${failure}`);
  if (interrupted) console.log('\ninterrupted: not everything ran');
  console.log(`\n${summaryLine(sum)}`);
  return interrupted ? 130 : exitCode(sum);
}

process.exitCode = await main();
