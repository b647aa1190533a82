// npm test [-- FILTER]: every check there is, fast ones first. A stage that fails stops no other.
// The last line on stdout is the sum: `N passed, N failed`, and `, N skipped` if any were.
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
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
  zero,
} from './src/stages.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const env = taskEnvironment(root);
const stageMsMax = 20 * 60 * 1_000;
const netnsPattern = '{packages,apps,tools}/*/src/**/*.netns.test.ts';

let interrupted = false;
const onSignal = () => {
  interrupted = true;
};

async function stage(name, program, args, count) {
  console.log(`\n== ${name}: ${program} ${args.join(' ')}`);
  const start = performance.now();
  const command = join(root, 'node_modules/.bin', program);
  const code = await runChild(command, args, { cwd: root, env, limitMs: stageMsMax, onSignal });
  const counts = count(code);
  const seconds = ((performance.now() - start) / 1_000).toFixed(1);
  console.log(`== ${name}: ${summaryLine(counts)} in ${seconds} s`);
  return counts;
}

async function main() {
  const reports = mkdtempSync(join(tmpdir(), 'flowstore-test-'));
  const vitest = vitestStages(process.argv.slice(2), globSync(netnsPattern, { cwd: root }).sort());
  const stages = [
    () => stage('lint', 'biome', ['check', '.'], countCheck),
    () => stage('types', 'tsc', ['-b'], countCheck),
    ...vitest.map(({ name, args }, at) => () => {
      const file = join(reports, `${at}.json`);
      const report = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
      return stage(name, 'vitest', [...args, ...report], (code) =>
        countVitest(readReport(file), code),
      );
    }),
  ];
  let sum = zero;
  try {
    for (const run of stages) if (!interrupted) sum = add(sum, await run());
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
  if (interrupted) console.log('\ninterrupted: not everything ran');
  console.log(`\n${summaryLine(sum)}`);
  return interrupted ? 130 : exitCode(sum);
}

process.exitCode = await main();
